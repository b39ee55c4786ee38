// connect-redis: sessions of express-session, by its interface and over a request.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { RedisStore } from "connect-redis";
import session from "express-session";
import { createClient } from "redis";

const client = createClient({ url: process.env.REDIS_URL });
await client.connect();
const store = new RedisStore({ client, prefix: "shop:", ttl: 60 });

const value = { cookie: { expires: null }, name: "Ada" };
await store.set("one", value);
assert.deepEqual(await store.get("one"), value);
assert((await client.ttl("shop:one")) > 50);
await store.touch("one", { cookie: { expires: new Date(Date.now() + 10_000) } });
assert((await client.ttl("shop:one")) <= 10);
await store.set("two", value);
assert.equal(await store.length(), 2);
assert.deepEqual((await store.ids()).sort(), ["one", "two"]);
assert.equal((await store.all()).length, 2);
await store.destroy("one");
assert(!(await store.get("one")));
await store.clear();
assert.equal(await store.length(), 0);

const sessions = session({ store, secret: "x", resave: false, saveUninitialized: false });
const server = createServer((request, response) =>
  sessions(request, response, () => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    response.end(String(request.session.visits));
  }),
);
await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
const at = `http://127.0.0.1:${server.address().port}`;
const first = await fetch(at);
assert.equal(await first.text(), "1");
const headers = { cookie: first.headers.get("set-cookie").split(";")[0] };
for (const visits of ["2", "3"]) assert.equal(await (await fetch(at, { headers })).text(), visits);
assert.equal(await (await fetch(at)).text(), "1");
server.close();
server.closeAllConnections();
await client.close();
