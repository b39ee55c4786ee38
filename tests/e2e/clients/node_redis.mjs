// node-redis: values, lives, counters, transactions, scans, pub/sub, a pool, its near cache.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, createClientPool, WatchError } from "redis";

const url = process.env.REDIS_URL;

for (const RESP of [2, 3]) {
  const client = createClient({ url, RESP, name: "shop" });
  client.on("error", (error) => { throw error; });
  await client.connect();
  assert.equal(await client.ping(), "PONG");

  // Values and lives.
  assert.equal(await client.set("greeting", "hello", { EX: 60 }), "OK");
  assert.equal(await client.get("greeting"), "hello");
  assert.equal(await client.get("nothing"), null);
  assert((await client.ttl("greeting")) > 50);
  assert.equal(await client.set("greeting", "hi", { NX: true }), null);
  assert.equal(await client.set("greeting", "hi", { KEEPTTL: true, GET: true }), "hello");
  assert.equal(await client.getEx("greeting", { type: "PERSIST" }), "hi");
  assert.equal(await client.ttl("greeting"), -1);
  assert(await client.expire("greeting", 10));
  assert.equal(await client.append("greeting", " there"), 8);
  assert.equal(await client.getRange("greeting", 3, -1), "there");
  assert.equal(await client.getDel("greeting"), "hi there");
  await client.set("short", "x", { PX: 20 });
  await sleep(50);
  assert.equal(await client.exists("short"), 0);

  // Counters, and what is sent at once.
  assert.equal(await client.incr("n"), 1);
  await Promise.all(Array.from({ length: 500 }, () => client.incr("n")));
  assert.equal(await client.decrBy("n", 1), 500);
  assert.equal(Number(await client.incrByFloat("share", 0.25)), 0.25);
  await assert.rejects(client.set("text", "x").then(() => client.incr("text")), /not an integer/);

  // Many keys.
  const pairs = Array.from({ length: 1000 }, (_, n) => [`key:${n}`, String(n)]);
  assert.equal(await client.mSet(pairs), "OK");
  assert.deepEqual(await client.mGet(pairs.map(([key]) => key)), pairs.map(([, value]) => value));
  const found = new Set();
  for await (const keys of client.scanIterator({ MATCH: "key:*", COUNT: 100, TYPE: "string" })) {
    for (const key of keys) found.add(key);
  }
  assert.equal(found.size, 1000);
  assert.equal(await client.unlink(pairs.map(([key]) => key)), 1000);

  // Transactions.
  assert.deepEqual(await client.multi().set("a", 1).incr("a").get("a").exec(), ["OK", 2, "2"]);
  await client.watch("a");
  const other = client.duplicate();
  await other.connect();
  await other.set("a", 5);
  await assert.rejects(client.multi().set("a", 3).exec(), WatchError);

  // Pub/sub.
  const heard = [];
  const listener = client.duplicate();
  await listener.connect();
  await listener.subscribe("news", (message) => heard.push(message));
  await listener.pSubscribe("news.*", (message, channel) => heard.push(channel));
  assert.equal(await client.publish("news", "one"), 1);
  assert.equal(await client.publish("news.today", "two"), 1);
  while (heard.length < 2) await sleep(5);
  assert.deepEqual(heard, ["one", "news.today"]);
  await listener.unsubscribe();

  // A lock by hand, released by the script of the documentation of Redis.
  assert.equal(await client.set("lock", "token", { NX: true, PX: 10_000 }), "OK");
  const release =
    'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end';
  assert.equal(await client.eval(release, { keys: ["lock"], arguments: ["other"] }), 0);
  assert.equal(await client.eval(release, { keys: ["lock"], arguments: ["token"] }), 1);

  // The server.
  assert.match(await client.info("server"), /redis_version:7/);
  assert.equal(await client.clientGetName(), "shop");
  assert((await client.clientList()).some((each) => each.name === "shop"));
  assert((await client.configGet("maxmemory")).maxmemory !== undefined);
  assert.equal(await client.type("a"), "string");
  assert((await client.memoryUsage("a")) > 0);
  await client.select(3);
  assert.equal(await client.dbSize(), 0);
  await client.select(0);
  assert.equal(await client.flushDb(), "OK");
  assert.equal(await client.dbSize(), 0);
  for (const each of [client, other, listener]) await each.close();
}

const pool = await createClientPool({ url }).connect();
await Promise.all(Array.from({ length: 200 }, (_, n) => pool.set(`pooled:${n}`, n)));
assert.equal(await pool.get("pooled:199"), "199");
await pool.close();

// The near cache: a value is kept until the server tells that it changed.
const near = createClient({ url, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0 } });
const writer = createClient({ url });
await Promise.all([near.connect(), writer.connect()]);
const reads = async () =>
  Number(/cmdstat_get:calls=(\d+)/.exec(await writer.info("commandstats"))?.[1] ?? 0);
await writer.set("price", 10);
const before = await reads();
for (let n = 0; n < 100; n++) assert.equal(await near.get("price"), "10");
assert((await reads()) - before <= 1);
await writer.set("price", 11);
for (let n = 0; (await near.get("price")) !== "11"; n++) {
  assert(n < 1000);
  await sleep(5);
}
await near.close();
await writer.close();
