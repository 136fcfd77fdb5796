// ioredis's cluster client on the lab.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Redis from 'ioredis';

import { Lab, Load, ROLLING_RESTART, eventually, run } from './lab.mjs';

async function callNode({ host, port }, words) {
  const node = new Redis(port, host, { lazyConnect: true, retryStrategy: () => null });
  node.on('error', () => {});
  await node.connect();
  try {
    return await node.call(...words);
  } finally {
    node.disconnect();
  }
}

// Runs a test with a lab and a client of its own.
const withLab = (test, { lab: labOptions = [], client: clientOptions = {} } = {}) => async () => {
  const lab = await Lab.start(callNode, ...labOptions);
  const client = new Redis.Cluster([lab.nodes[0]], clientOptions);
  client.on('error', () => {});
  try {
    await test(lab, client);
  } finally {
    client.disconnect();
    await lab.stop();
  }
};

async function tls_and_password() {
  const folder = await mkdtemp(join(tmpdir(), 'lab-'));
  const pem = join(folder, 'lab.pem');
  const lab = await Lab.start(null, '--tls', '--tls-write-cert', pem, '--auth', 'app:secret');
  try {
    const ca = await readFile(pem);
    const client = new Redis.Cluster([lab.nodes[0]], {
      dnsLookup: (address, callback) => callback(null, address),
      redisOptions: { username: 'app', password: 'secret', tls: { ca } },
    });
    client.on('error', () => {});
    for (const i of numbers(100)) {
      assert.equal(await client.set(`key:${i}`, i), 'OK');
      assert.equal(await client.get(`key:${i}`), String(i));
    }
    client.disconnect();
  } finally {
    await lab.stop();
    await rm(folder, { recursive: true });
  }
}

const numbers = (count) => Array.from({ length: count }, (_, i) => i);

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

async function moved(lab, client) {
  assert.equal(await client.set('a', 'before'), 'OK'); // slot 15495, of node 2
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, 'a');
  await lab.endMove(15495, 2, 0);
  assert.equal(await client.get('a'), 'before');
  assert.equal(await client.set('a', 'after'), 'OK');
  assert.equal(await lab.node(0, 'GET', 'a'), 'after');
  assert.equal(await lab.logCount('KEY', 'a', 'OUTCOME', 'MOVED'), 1);
}

async function ask(lab, client) {
  for (const i of numbers(10)) {
    await client.set(`{a}${i}`, i);
  }
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, ...numbers(5).map((i) => `{a}${i}`));
  for (const i of numbers(10)) {
    assert.equal(await client.get(`{a}${i}`), String(i));
  }
  assert.equal(await client.set('{a}new', 'x'), 'OK'); // missing at the source: goes to the target
  assert.equal(await client.get('{a}new'), 'x');
  assert.equal(await lab.node(2, 'CLUSTER', 'COUNTKEYSINSLOT', 15495), 5);
  assert.equal(await lab.node(0, 'CLUSTER', 'COUNTKEYSINSLOT', 15495), 6);
  const asked = await lab.logCount('NODE', 2, 'KEY', '{a}*', 'OUTCOME', 'ASK');
  assert.equal(asked, 7); // five that have moved, and a new one twice
  assert.equal(await lab.logCount('NODE', 0, 'COMMAND', 'asking'), asked);
  await lab.moveKeys(2, 0, ...numbers(5).map((i) => `{a}${i + 5}`));
  await lab.endMove(15495, 2, 0);
  for (const i of numbers(10)) {
    assert.equal(await client.get(`{a}${i}`), String(i));
  }
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

async function manual_failover(lab, client) {
  assert.equal(await client.set('a', 'before'), 'OK');
  assert.equal(await lab.node(5, 'CLUSTER', 'FAILOVER'), 'OK');
  await eventually(async () => (await lab.node(5, 'ROLE'))[0] === 'master');
  assert.equal(await client.get('a'), 'before');
  assert.equal(await client.set('a', 'after'), 'OK');
  assert.equal(await lab.node(5, 'GET', 'a'), 'after');
}

async function failover(lab, client) {
  const load = new Load((key, number) => client.set(key, number));
  await load.waitFor(300);
  assert.equal(await lab.command('KILL', 1), 'OK');
  await eventually(async () => (await lab.node(4, 'ROLE'))[0] === 'master');
  await load.waitFor(300);
  assert.equal(await lab.command('START', 1), 'OK'); // comes back as a replica
  await load.waitFor(300);
  await load.check((key) => client.get(key));
  assert.equal((await lab.node(1, 'ROLE'))[0], 'slave');
  assert.ok(await lab.logCount('NODE', 4, 'COMMAND', 'set', 'OUTCOME', 'served') > 0);
}

async function rolling_restart(lab, client) {
  const load = new Load((key, number) => client.set(key, number));
  await eventually(async () => await lab.logCount('NODE', 3, 'COMMAND', 'set', 'OUTCOME', 'served') > 0);
  await eventually(async () => (await lab.node(2, 'ROLE'))[0] === 'slave', 20000);
  await load.waitFor(100);
  await load.check((key) => client.get(key));
}

async function slot_moves(lab, client) {
  const load = new Load((key, number) => client.set(key, number));
  await load.waitFor(200);
  for (let first = 0; first < 16384; first += 1024) {
    assert.equal(await lab.command('SLOT', 'MOVE', `${first}-${first + 1023}`, (first / 1024) % 3), 'OK');
    await load.waitFor(20);
  }
  await load.check((key) => client.get(key));
  assert.deepEqual(load.failures, []);
  assert.ok(await lab.logCount('COMMAND', 'set', 'OUTCOME', 'MOVED') > 0);
}

async function server_side_moves(lab, client) {
  const owner = async () => (await lab.node(0, 'CLUSTER', 'SLOTS'))[0][2][1];
  const load = new Load((key, number) => client.set(key, number));
  await load.waitFor(200);
  await lab.node(0, 'CLUSTER', 'MIGRATESLOTS', 'SLOTSRANGE', 0, 5460, 'NODE', await lab.id(1));
  await eventually(async () => await owner() === lab.nodes[1].port); // as Valkey 9 does it
  await load.waitFor(100);
  await lab.node(2, 'CLUSTER', 'MIGRATION', 'IMPORT', 0, 2000);
  await eventually(async () => await owner() === lab.nodes[2].port); // as Redis 8.4 does it
  await load.waitFor(100);
  await load.check((key) => client.get(key));
  assert.deepEqual(load.failures, []);
  assert.ok(await lab.logCount('COMMAND', 'set', 'OUTCOME', 'MOVED') > 0);
  assert.equal(await lab.logCount('OUTCOME', 'ASK'), 0);
}

async function lost_connection(lab, client) {
  await client.set('a', 1);
  for (const action of [['DROP-BEFORE'], ['CUT', 3]]) {
    await lab.command('FAULT', 'ADD', 'COMMAND', 'get', 'COUNT', 1, ...action);
    assert.equal(await client.get('a'), '1'); // tried again by itself
  }
}

async function pipeline(lab, client) {
  for (const i of numbers(10)) {
    await client.set(`{a}${i}`, i);
  }
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, ...numbers(5).map((i) => `{a}${i}`));
  await lab.moveKeys(2, 0, ...numbers(5).map((i) => `{a}${i + 5}`));
  await lab.endMove(15495, 2, 0);
  const pipe = client.pipeline(); // of one node, as ioredis wants it; that node has changed
  for (const i of numbers(10)) {
    pipe.incr(`{a}${i}`);
  }
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

async function replica_reads(lab, client) {
  for (const i of numbers(100)) {
    assert.equal(await client.set(`key:${i}`, i), 'OK');
  }
  for (const i of numbers(300)) {
    assert.equal(await client.get(`key:${i % 100}`), String(i % 100));
  }
  for (const node of [0, 1, 2]) { // each primary served some, and its replicas most
    const served = await lab.logCount('NODE', node, 'COMMAND', 'get', 'OUTCOME', 'served');
    assert.ok(served > 0 && served < 100, `${served}`);
  }
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
  basics: withLab(basics),
  moved: withLab(moved),
  ask: withLab(ask),
  tryagain: withLab(tryagain),
  manual_failover: withLab(manual_failover),
  failover: withLab(failover, { lab: ['--failover-ms', '300'] }),
  rolling_restart: withLab(rolling_restart, { lab: ['--script', ROLLING_RESTART] }),
  slot_moves: withLab(slot_moves),
  server_side_moves: withLab(server_side_moves),
  lost_connection: withLab(lost_connection),
  pipeline: withLab(pipeline),
  transaction: withLab(transaction),
  pubsub: withLab(pubsub),
  shard_pubsub: withLab(shard_pubsub, { client: { shardedSubscribers: true } }),
  scan: withLab(scan),
  replica_reads: withLab(replica_reads, { lab: ['--replicas', '2'], client: { scaleReads: 'all' } }),
  types: withLab(types),
  blocking_pop: withLab(blocking_pop),
  tls_and_password,
});
