// What any cluster client should live through, for those whose `get` and `set` look alike.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Lab, Load, eventually } from './lab.mjs';

const ROLLING_RESTART = fileURLToPath(new URL('../../examples/lab/rolling-restart.lab', import.meta.url));

export const numbers = (count) => Array.from({ length: count }, (_, i) => i);
export const keysOf = (first, count) => numbers(count).map((i) => `{a}${first + i}`); // slot 15495, of node 2

// The client under test is told as { callNode(address, words), connect(address, options), close(client) }.
// Runs a test with a lab and a client of its own.
export const withLab = (driver) => (test, { lab: labOptions = [], client: clientOptions = {} } = {}) => async () => {
  const lab = await Lab.start(driver.callNode, ...labOptions);
  const client = await driver.connect(lab.nodes[0], clientOptions);
  try {
    await test(lab, client);
  } finally {
    driver.close(client);
    await lab.stop();
  }
};

// options(ca): what the client wants for user `app` with `secret`, by TLS.
export const withTlsAndPassword = (driver, options) => async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lab-'));
  const pem = join(folder, 'lab.pem');
  const lab = await Lab.start(null, '--tls', '--tls-write-cert', pem, '--auth', 'app:secret');
  try {
    const client = await driver.connect(lab.nodes[0], options(await readFile(pem)));
    for (const i of numbers(100)) {
      assert.equal(await client.set(`key:${i}`, i), 'OK');
      assert.equal(await client.get(`key:${i}`), String(i));
    }
    driver.close(client);
  } finally {
    await lab.stop();
    await rm(folder, { recursive: true });
  }
};

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

async function manual_failover(lab, client) {
  assert.equal(await client.set('a', 'before'), 'OK');
  assert.equal(await lab.node(5, 'CLUSTER', 'FAILOVER'), 'OK');
  await eventually(async () => (await lab.node(5, 'ROLE'))[0] === 'master');
  assert.equal(await client.get('a'), 'before');
  assert.equal(await client.set('a', 'after'), 'OK');
  assert.equal(await lab.node(5, 'GET', 'a'), 'after');
}

// A client that looks for the new primary only when somebody answers MOVED is served on when the
// killed node is back, as a replica.
const failover = ({ noticesByItself }) => async (lab, client) => {
  const load = new Load((key, number) => client.set(key, number));
  await load.waitFor(300);
  assert.equal(await lab.command('KILL', 1), 'OK');
  await eventually(async () => (await lab.node(4, 'ROLE'))[0] === 'master');
  if (noticesByItself) {
    await load.waitFor(300);
  }
  assert.equal(await lab.command('START', 1), 'OK');
  await load.waitFor(300);
  await load.check((key) => client.get(key));
  assert.equal((await lab.node(1, 'ROLE'))[0], 'slave');
  assert.ok(await lab.logCount('NODE', 4, 'COMMAND', 'set', 'OUTCOME', 'served') > 0);
};

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

// By name; scaleReads: the options with which the client reads from replicas too.
export const scenarios = (driver, { noticesByItself, scaleReads }) => {
  const test = withLab(driver);
  return {
    moved: test(moved),
    ask: test(ask),
    manual_failover: test(manual_failover),
    failover: test(failover({ noticesByItself }), { lab: ['--failover-ms', '300'] }),
    rolling_restart: test(rolling_restart, { lab: ['--script', ROLLING_RESTART] }),
    slot_moves: test(slot_moves),
    server_side_moves: test(server_side_moves),
    replica_reads: test(replica_reads, { lab: ['--replicas', '2'], client: scaleReads }),
  };
};
