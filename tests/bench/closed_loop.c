/* A closed loop of GETs, or of PUTs of so many BYTES: each connection asks again as soon as it is
 * answered, refused or not.
 *
 * One whose connection is refused or lost connects again at once.
 *
 * closed_loop PORT CONNECTIONS SECONDS KEYS PATH_PREFIX [BYTES]
 *
 * wrk counts refusals among its latencies; here they are apart. Prints one line: requests that were
 * accepted and refused, connections lost, microseconds measured, and of the accepted and of the
 * refused the latency in microseconds, as 50th and 99th percentile. The first second is not counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MOST_MICROS = 10 * 1000 * 1000, STEP = 10, BYTES = 64 << 10, MOST_BODY = 32 << 10 };

struct client {
  int descriptor, received, is_joining;
  long asked_at;
  char answer[BYTES];
};
struct outcome {
  long count;
  unsigned steps[MOST_MICROS / STEP + 1];
};

static struct outcome accepted, refused;
static struct sockaddr_in address;
static const char *prefix;
static int poll_descriptor, keys, body_bytes;
static const char body[MOST_BODY];
static long lost, counts_from;

static long now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000L + at.tv_nsec / 1000;
}

static void ask(struct client *client) {
  char request[300 + MOST_BODY];
  int size, key = rand() % keys;
  if (body_bytes) {
    size = snprintf(request, 300, "PUT %s%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
                    prefix, key, body_bytes);
    memcpy(request + size, body, body_bytes);
    size += body_bytes;
  } else {
    size = snprintf(request, 300, "GET %s%d HTTP/1.1\r\nHost: localhost\r\n\r\n", prefix, key);
  }
  client->received = 0;
  client->asked_at = now();
  if (send(client->descriptor, request, size, MSG_NOSIGNAL) != size) lost++;
}

/* The first request is sent once it is connected. `flags` are those of the socket. */
static void join(struct client *client, int flags) {
  int on = 1;
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
  client->descriptor = socket(AF_INET, SOCK_STREAM | flags, 0);
  client->is_joining = 1;
  if (connect(client->descriptor, (struct sockaddr *)&address, sizeof address) &&
      errno != EINPROGRESS) {
    perror("connect");
    exit(1);
  }
  setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_ctl(poll_descriptor, EPOLL_CTL_ADD, client->descriptor, &event);
}

static void joined(struct client *client) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  client->is_joining = 0;
  epoll_ctl(poll_descriptor, EPOLL_CTL_MOD, client->descriptor, &event);
  ask(client);
}

static void leave(struct client *client) {
  close(client->descriptor);
  join(client, SOCK_NONBLOCK);
}

static void count(struct outcome *outcome, long micros) {
  outcome->count++;
  outcome->steps[(micros < MOST_MICROS ? micros : MOST_MICROS) / STEP]++;
}

static long percentile(struct outcome *outcome, double share) {
  long left = (long)(outcome->count * share);
  int step = 0;
  while (left > 0 && step < MOST_MICROS / STEP) left -= outcome->steps[step++];
  return (long)step * STEP;
}

/* Whether the answer is whole; all that come here state their length. */
static int is_whole(struct client *client) {
  char *length, *end;
  client->answer[client->received] = 0;
  if (!(end = strstr(client->answer, "\r\n\r\n"))) return 0;
  length = strstr(client->answer, "Content-Length: ");
  return client->received >= end - client->answer + 4 + (length ? atoi(length + 16) : 0);
}

static void hear(struct client *client) {
  long at;
  if (client->is_joining) {
    joined(client);
    return;
  }
  int room = BYTES - 1 - client->received;
  int size = recv(client->descriptor, client->answer + client->received, room, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) {
    lost++;
    leave(client);
    return;
  }
  client->received += size;
  if (!is_whole(client)) return;
  at = now();
  if (at >= counts_from)
    count(strncmp(client->answer + 9, "503", 3) ? &accepted : &refused, at - client->asked_at);
  if (strstr(client->answer, "\r\nConnection: close\r\n"))
    leave(client);
  else
    ask(client);
}

int main(int count, char **arguments) {
  struct epoll_event events[256];
  if (count < 6 || count > 7) return 2;
  body_bytes = count == 7 ? atoi(arguments[6]) : 0;
  if (body_bytes < 0 || body_bytes > MOST_BODY) return 2;
  int connections = atoi(arguments[2]);
  struct client *clients = calloc(connections, sizeof *clients);
  address.sin_family = AF_INET;
  address.sin_port = htons(atoi(arguments[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  keys = atoi(arguments[4]);
  prefix = arguments[5];
  poll_descriptor = epoll_create1(0);
  for (int each = 0; each < connections; each++) join(&clients[each], 0);
  counts_from = now() + 1000000L;
  long until = counts_from + (long)(atof(arguments[3]) * 1e6);
  while (now() < until) {
    int ready = epoll_wait(poll_descriptor, events, 256, 100);
    for (int each = 0; each < ready; each++) hear(events[each].data.ptr);
  }
  printf("%ld %ld %ld %ld %ld %ld %ld %ld\n", accepted.count, refused.count, lost,
         now() - counts_from, percentile(&accepted, .5), percentile(&accepted, .99),
         percentile(&refused, .5), percentile(&refused, .99));
  return 0;
}
