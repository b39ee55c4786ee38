// ioredis: values, pipelines, automatic pipelines, transactions, scans, pub/sub, key prefixes, locks.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

const url = process.env.REDIS_URL;
const redis = new Redis(url, { keyPrefix: "shop:", connectionName: "shop" });
const auto = new Redis(url, { enableAutoPipelining: true });

assert.equal(await redis.set("greeting", "hello", "EX", 60), "OK");
assert.equal(await redis.get("greeting"), "hello");
assert((await redis.ttl("greeting")) > 50);
assert.equal(await redis.set("greeting", "hi", "NX"), null);
assert.equal(await redis.setex("short", 1, "x"), "OK");
assert.deepEqual(await redis.getBuffer("greeting"), Buffer.from("hello"));
const every = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
await redis.set(every, every);
assert.deepEqual(await redis.getBuffer(every), every);
assert.equal(await redis.del("greeting", "nothing", every), 2);

// What is sent at once.
assert.deepEqual(await redis.pipeline().set("a", 1).incr("a").get("a").exec(), [
  [null, "OK"], [null, 2], [null, "2"],
]);
await Promise.all(Array.from({ length: 1000 }, (_, n) => auto.set(`key:${n}`, n, "PX", 60_000)));
const values = await Promise.all(Array.from({ length: 1000 }, (_, n) => auto.get(`key:${n}`)));
assert.deepEqual(values, Array.from({ length: 1000 }, (_, n) => String(n)));
await Promise.all(Array.from({ length: 500 }, () => auto.incr("n")));
assert.equal(await auto.get("n"), "500");

// Transactions.
const [[, first], [wrong], [, last]] = await redis.multi().set("t", "x").incr("t").get("t").exec();
assert.equal(first, "OK");
assert.match(wrong.message, /not an integer/);
assert.equal(last, "x");
await redis.watch("t");
await auto.set("shop:t", "y");
assert.equal(await redis.multi().set("t", "z").exec(), null);
assert.equal(await redis.get("t"), "y");

// Scans.
const found = new Set();
for await (const keys of auto.scanStream({ match: "key:*", count: 100 })) {
  for (const key of keys) found.add(key);
}
assert.equal(found.size, 1000);

// Pub/sub.
const listener = new Redis(url);
const heard = [];
listener.on("message", (channel, message) => heard.push(message));
listener.on("pmessage", (pattern, channel) => heard.push(channel));
assert.equal(await listener.subscribe("news"), 1);
assert.equal(await listener.psubscribe("news.*"), 2);
assert.equal(await auto.publish("news", "one"), 1);
assert.equal(await auto.publish("news.today", "two"), 1);
while (heard.length < 2) await sleep(5);
assert.deepEqual(heard, ["one", "news.today"]);

// A lock, released by a command of one's own, which is a script (EVALSHA, then EVAL).
redis.defineCommand("release", {
  numberOfKeys: 1,
  lua: 'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end',
});
assert.equal(await redis.set("lock", "token", "PX", 10_000, "NX"), "OK");
assert.equal(await redis.set("lock", "other", "PX", 10_000, "NX"), null);
assert.equal(await redis.release("lock", "other"), 0);
assert.equal(await redis.release("lock", "token"), 1);

assert.match(await redis.info(), /redis_version:7/);
assert.equal(await redis.client("GETNAME"), "shop");
assert.equal(await redis.flushdb(), "OK");
assert.equal(await redis.dbsize(), 0);
for (const each of [redis, auto, listener]) await each.quit();
