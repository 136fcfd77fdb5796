// node-redis's cluster client on the lab.
import assert from 'node:assert/strict';
import { createClient, createCluster } from 'redis';

import { eventually, run } from './lab.mjs';
import { keysOf, numbers, scenarios, withLab, withTlsAndPassword } from './scenarios.mjs';

const driver = {
  async callNode({ host, port }, words) {
    const node = createClient({ socket: { host, port, reconnectStrategy: false } });
    node.on('error', () => {});
    await node.connect();
    try {
      return await node.sendCommand(words);
    } finally {
      node.destroy();
    }
  },

  async connect(address, options) {
    const client = createCluster({ rootNodes: [{ socket: address }], ...options });
    client.on('error', () => {});
    await client.connect();
    return client;
  },

  close: (client) => client.destroy(),
};

const test = withLab(driver);

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
  basics: test(basics),
  basics_resp3: test(basics, { client: { RESP: 3 } }),
  ...scenarios(driver, { noticesByItself: false, scaleReads: { useReplicas: true } }),
  tryagain: test(tryagain),
  lost_connection: test(lost_connection),
  pipeline: test(pipeline),
  transaction: test(transaction),
  pubsub: test(pubsub),
  shard_pubsub: test(shard_pubsub),
  scan: test(scan),
  types: test(types),
  types_resp3: test(types, { client: { RESP: 3 } }),
  tls_and_password: withTlsAndPassword(driver, (ca) => ({
    defaults: { username: 'app', password: 'secret', socket: { tls: true, ca } },
  })),
});
