// node-redis's cluster client on the lab.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, createCluster } from 'redis';

import { Lab, Load, ROLLING_RESTART, eventually, run } from './lab.mjs';

async function callNode({ host, port }, words) {
  const node = createClient({ socket: { host, port, reconnectStrategy: false } });
  node.on('error', () => {});
  await node.connect();
  try {
    return await node.sendCommand(words);
  } finally {
    node.destroy();
  }
}

// Runs a test with a lab and a client of its own.
const withLab = (test, { lab: labOptions = [], client: clientOptions = {} } = {}) => async () => {
  const lab = await Lab.start(callNode, ...labOptions);
  const client = createCluster({ rootNodes: [{ socket: lab.nodes[0] }], ...clientOptions });
  client.on('error', () => {});
  await client.connect();
  try {
    await test(lab, client);
  } finally {
    client.destroy();
    await lab.stop();
  }
};

async function tls_and_password() {
  const folder = await mkdtemp(join(tmpdir(), 'lab-'));
  const pem = join(folder, 'lab.pem');
  const lab = await Lab.start(null, '--tls', '--tls-write-cert', pem, '--auth', 'app:secret');
  try {
    const ca = await readFile(pem);
    const client = createCluster({
      rootNodes: [{ socket: lab.nodes[0] }],
      defaults: { username: 'app', password: 'secret', socket: { tls: true, ca } },
    });
    client.on('error', () => {});
    await client.connect();
    for (const i of numbers(100)) {
      assert.equal(await client.set(`key:${i}`, i), 'OK');
      assert.equal(await client.get(`key:${i}`), String(i));
    }
    client.destroy();
  } finally {
    await lab.stop();
    await rm(folder, { recursive: true });
  }
}

const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const keysOf = (first, count) => numbers(count).map((i) => `{a}${first + i}`);

async function basics(lab, client) {
  await Promise.all(numbers(1000).map(async (i) => assert.equal(await client.set(`key:${i}`, i), 'OK')));
  for (const i of numbers(1000)) {
    assert.equal(await client.get(`key:${i}`), String(i));
  }
  const sizes = await Promise.all(client.masters.map(async (each) => (await client.nodeClient(each)).dbSize()));
  assert.equal(sizes.length, 3);
  assert.ok(sizes.every((size) => size > 200));
  assert.equal(sizes.reduce((a, b) => a + b), 1000);
  await assert.rejects(client.mGet(['a', 'b']), /CROSSSLOT/);
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
  for (const [i, key] of keysOf(0, 10).entries()) {
    await client.set(key, i);
  }
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, ...keysOf(0, 5));
  for (const [i, key] of keysOf(0, 10).entries()) {
    assert.equal(await client.get(key), String(i));
  }
  assert.equal(await client.set('{a}new', 'x'), 'OK'); // missing at the source: goes to the target
  assert.equal(await client.get('{a}new'), 'x');
  assert.equal(await lab.node(2, 'CLUSTER', 'COUNTKEYSINSLOT', 15495), 5);
  assert.equal(await lab.node(0, 'CLUSTER', 'COUNTKEYSINSLOT', 15495), 6);
  const asked = await lab.logCount('NODE', 2, 'KEY', '{a}*', 'OUTCOME', 'ASK');
  assert.equal(asked, 7); // five that have moved, and a new one twice
  assert.equal(await lab.logCount('NODE', 0, 'COMMAND', 'asking'), asked);
  await lab.moveKeys(2, 0, ...keysOf(5, 5));
  await lab.endMove(15495, 2, 0);
  for (const [i, key] of keysOf(0, 10).entries()) {
    assert.equal(await client.get(key), String(i));
  }
}

async function tryagain(lab, client) {
  await client.mSet({ '{a}1': '1', '{a}2': '2' });
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, '{a}1');
  await assert.rejects(client.mGet(['{a}1', '{a}2']), /TRYAGAIN/); // is left to the caller
  await lab.moveKeys(2, 0, '{a}2');
  assert.deepEqual(await client.mGet(['{a}1', '{a}2']), ['1', '2']);
  await lab.endMove(15495, 2, 0);
  assert.deepEqual(await client.mGet(['{a}1', '{a}2']), ['1', '2']);
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
  // It looks for the new primary only when somebody answers MOVED: what it has for the dead node
  // waits until that one is back, as a replica.
  assert.equal(await lab.command('START', 1), 'OK');
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
    await assert.rejects(client.get('a'), /closed/); // is left to the caller
    assert.equal(await client.get('a'), '1');
  }
}

async function pipeline(lab, client) {
  for (const [i, key] of keysOf(0, 10).entries()) {
    await client.set(key, i);
  }
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, ...keysOf(0, 5));
  // Commands of one turn go out together: half of them are redirected, each by itself.
  const replies = await Promise.all(keysOf(0, 10).map((key) => client.incr(key)));
  assert.deepEqual(replies, numbers(10).map((i) => i + 1));
}

async function transaction(lab, client) {
  const run = () => client.multi().incr('{a}n').get('{a}1').exec();
  await client.set('{a}1', 'x');
  assert.deepEqual(await run(), [1, 'x']);
  await lab.beginMove(15495, 2, 0);
  await lab.moveKeys(2, 0, '{a}1', '{a}n');
  await lab.endMove(15495, 2, 0);
  await assert.rejects(run(), /MOVED/); // on a real cluster too, its transactions do not follow
  assert.equal(await client.get('{a}1'), 'x'); // this does, and the client learns
  assert.deepEqual(await run(), [2, 'x']);
}

async function pubsub(lab, client) {
  const heard = [];
  await client.subscribe('news', (text, channel) => heard.push(`${channel} ${text}`));
  await client.pSubscribe('w*r', (text, channel) => heard.push(`w*r ${channel} ${text}`));
  for (const index of [0, 1, 2]) {
    await lab.node(index, 'PUBLISH', 'news', `from ${index}`); // published at any node, heard at all
    await eventually(() => heard.length === index + 1);
  }
  await client.publish('weather', 'rain');
  await eventually(() => heard.length === 4);
  assert.deepEqual(heard, ['news from 0', 'news from 1', 'news from 2', 'w*r weather rain']);
  await client.unsubscribe('news');
  await client.publish('news', 'unheard');
  await client.publish('weather', 'sun');
  await eventually(() => heard.length === 5);
  assert.equal(heard[4], 'w*r weather sun');
}

async function shard_pubsub(lab, client) {
  const heard = [];
  await client.sSubscribe('a', (text) => heard.push(text)); // slot 15495
  assert.equal(await client.sPublish('a', 'one'), 1);
  await eventually(() => heard.length === 1);
  await lab.beginMove(15495, 2, 0);
  assert.equal(await client.sPublish('a', 'two'), 1);
  await eventually(() => heard.length === 2);
  await lab.endMove(15495, 2, 0); // that ends the subscription, and the client leaves it at that
  await eventually(async () => (await client.sPublish('a', 'three')) === 0);
  assert.deepEqual(await lab.node(2, 'PUBSUB', 'SHARDNUMSUB', 'a'), ['a', 0]);
  await client.sSubscribe('a', (text) => heard.push(text));
  assert.equal(await client.sPublish('a', 'four'), 1);
  await eventually(() => heard.includes('four'));
}

async function scan(lab, client) {
  const names = numbers(1000).map((i) => `key:${i}`);
  await Promise.all(names.map((name) => client.set(name, 1)));
  const seen = new Set();
  for (const each of client.masters) {
    const node = await client.nodeClient(each);
    for await (const keys of node.scanIterator({ COUNT: 50 })) {
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
  assert.equal(await client.hSet('h', { a: 1, b: 2 }), 2);
  assert.deepEqual({ ...(await client.hGetAll('h')) }, { a: '1', b: '2' });
  assert.equal(await client.rPush('l', ['1', '2', '3']), 3);
  assert.deepEqual(await client.lRange('l', 0, -1), ['1', '2', '3']);
  assert.equal(await client.sAdd('s', ['x', 'y']), 2);
  assert.deepEqual((await client.sMembers('s')).sort(), ['x', 'y']);
  assert.equal(await client.zAdd('z', [{ score: 1, value: 'one' }, { score: 2.5, value: 'two' }]), 2);
  assert.deepEqual(await client.zRangeWithScores('z', 0, -1),
    [{ value: 'one', score: 1 }, { value: 'two', score: 2.5 }]);
}

await run({
  basics: withLab(basics),
  basics_resp3: withLab(basics, { client: { RESP: 3 } }),
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
  shard_pubsub: withLab(shard_pubsub),
  scan: withLab(scan),
  replica_reads: withLab(replica_reads, { lab: ['--replicas', '2'], client: { useReplicas: true } }),
  types: withLab(types),
  types_resp3: withLab(types, { client: { RESP: 3 } }),
  tls_and_password,
});
