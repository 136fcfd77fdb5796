// ioredis's cluster client on the lab.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import Redis from 'ioredis';

import { eventually, run } from './lab.mjs';
import { keysOf, numbers, scenarios, withLab, withTlsAndPassword } from './scenarios.mjs';

const driver = {
  async callNode({ host, port }, words) {
    const node = new Redis(port, host, { lazyConnect: true, retryStrategy: () => null });
    node.on('error', () => {});
    await node.connect();
    try {
      return await node.call(...words);
    } finally {
      node.disconnect();
    }
  },

  async connect(address, options) {
    const client = new Redis.Cluster([address], options);
    client.on('error', () => {});
    return client;
  },

  close: (client) => client.disconnect(),
};

const test = withLab(driver);

async function basics(lab, client) {
  await Promise.all(numbers(1000).map(async (i) => assert.equal(await client.set(`key:${i}`, i), 'OK')));
  for (const i of numbers(1000)) {
    assert.equal(await client.get(`key:${i}`), String(i));
  }
  const sizes = await Promise.all(client.nodes('master').map((node) => node.dbsize()));
  assert.equal(sizes.length, 3);
  assert.ok(sizes.every((size) => size > 200));
  assert.equal(sizes.reduce((a, b) => a + b), 1000);
  await assert.rejects(client.mget('a', 'b'), /CROSSSLOT/);
}

async function tryagain(lab, client) {
  await client.mset('{a}1', 1, '{a}2', 2);
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, '{a}1');
  const reply = client.mget('{a}1', '{a}2'); // is repeated until the slot is whole again
  await eventually(async () => await lab.logCount('COMMAND', 'mget', 'OUTCOME', 'TRYAGAIN') > 1);
  await lab.moveKeys(2, 0, '{a}2');
  await lab.endMove(15495, 2, 0);
  assert.deepEqual(await reply, ['1', '2']);
}

async function lost_connection(lab, client) {
  await client.set('a', 1);
  for (const action of [['DROP-BEFORE'], ['CUT', 3]]) {
    await lab.command('FAULT', 'ADD', 'COMMAND', 'get', 'COUNT', 1, ...action);
    assert.equal(await client.get('a'), '1'); // tried again by itself
  }
}

async function pipeline(lab, client) {
  for (const [i, key] of keysOf(0, 10).entries()) {
    await client.set(key, i);
  }
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, ...keysOf(0, 10));
  await lab.endMove(15495, 2, 0);
  const pipe = client.pipeline(); // of one node, as ioredis wants it; that node has changed
  keysOf(0, 10).forEach((key) => pipe.incr(key));
  assert.deepEqual(await pipe.exec(), numbers(10).map((i) => [null, i + 1]));
}

async function transaction(lab, client) {
  const replies = await client.multi().set('{a}1', 'x').incr('{a}n').get('{a}1').exec();
  assert.deepEqual(replies, [[null, 'OK'], [null, 1], [null, 'x']]);
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, '{a}1', '{a}n');
  await lab.endMove(15495, 2, 0);
  assert.deepEqual(await client.multi().incr('{a}n').get('{a}1').exec(), [[null, 2], [null, 'x']]);
}

async function pubsub(lab, client) {
  const heard = [];
  const subscriber = client.duplicate();
  subscriber.on('message', (channel, text) => heard.push(`${channel} ${text}`));
  subscriber.on('pmessage', (pattern, channel, text) => heard.push(`${pattern} ${channel} ${text}`));
  assert.equal(await subscriber.subscribe('news'), 1);
  assert.equal(await subscriber.psubscribe('w*r'), 2);
  for (const index of [0, 1, 2]) {
    await lab.node(index, 'PUBLISH', 'news', `from ${index}`); // published at any node, heard at all
    await eventually(() => heard.length === index + 1);
  }
  await client.publish('weather', 'rain');
  await eventually(() => heard.length === 4);
  assert.deepEqual(heard, ['news from 0', 'news from 1', 'news from 2', 'w*r weather rain']);
  subscriber.disconnect();
}

async function shard_pubsub(lab, client) {
  const heard = [];
  client.on('smessage', (channel, text) => heard.push(`${channel} ${text}`));
  await client.ssubscribe('a'); // slot 15495
  await sleep(100);
  assert.equal(await client.spublish('a', 'one'), 1);
  await eventually(() => heard.length === 1);
  assert.deepEqual(heard, ['a one']);
}

async function scan(lab, client) {
  const names = numbers(1000).map((i) => `key:${i}`);
  await Promise.all(names.map((name) => client.set(name, 1)));
  const seen = new Set();
  for (const node of client.nodes('master')) {
    for await (const keys of node.scanStream({ count: 50 })) {
      keys.forEach((key) => seen.add(key));
    }
  }
  assert.deepEqual([...seen].sort(), names.sort());
}

async function types(lab, client) {
  assert.equal(await client.hset('h', { a: 1, b: 2 }), 2);
  assert.deepEqual(await client.hgetall('h'), { a: '1', b: '2' });
  assert.equal(await client.rpush('l', 1, 2, 3), 3);
  assert.deepEqual(await client.lrange('l', 0, -1), ['1', '2', '3']);
  assert.equal(await client.sadd('s', 'x', 'y'), 2);
  assert.deepEqual((await client.smembers('s')).sort(), ['x', 'y']);
  assert.equal(await client.zadd('z', 1, 'one', 2.5, 'two'), 2);
  assert.deepEqual(await client.zrange('z', 0, -1, 'WITHSCORES'), ['one', '1', 'two', '2.5']);
}

async function blocking_pop(lab, client) {
  const popped = client.blpop('q', 5);
  await sleep(50);
  await (client.duplicate()).rpush('q', 'item');
  assert.deepEqual(await popped, ['q', 'item']);
  assert.equal(await client.blpop('q', 0.05), null);
}

await run({
  basics: test(basics),
  ...scenarios(driver, { noticesByItself: true, scaleReads: { scaleReads: 'all' } }),
  tryagain: test(tryagain),
  lost_connection: test(lost_connection),
  pipeline: test(pipeline),
  transaction: test(transaction),
  pubsub: test(pubsub),
  shard_pubsub: test(shard_pubsub, { client: { shardedSubscribers: true } }),
  scan: test(scan),
  types: test(types),
  blocking_pop: test(blocking_pop),
  tls_and_password: withTlsAndPassword(driver, (ca) => ({
    dnsLookup: (address, callback) => callback(null, address),
    redisOptions: { username: 'app', password: 'secret', tls: { ca } },
  })),
});
