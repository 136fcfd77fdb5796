// A lab for a JavaScript test: runs `keyway lab`, reads its URL from its output, and ends it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const KEYWAY = process.env.KEYWAY ?? fileURLToPath(new URL('../../build/keyway', import.meta.url));

export class Lab {
  // call(address, words): sends one command to one node with the client under test.
  static async start(call, ...options) {
    const lab = new Lab();
    // The open standard input is what keeps it alive: it ends with this process, come what may.
    lab.process = spawn(KEYWAY, ['lab', '--port', '0', '--until-eof', '--quiet', ...options],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    const [url] = await once(createInterface(lab.process.stdout), 'line');
    lab.url = url;
    lab.nodes = url.split('//')[1].split('@').at(-1).split(',').map((each) => {
      const [host, port] = each.split(':');
      return { host, port: Number(port) };
    });
    lab.node = (index, ...words) => call(lab.nodes[index], words.map(String));
    return lab;
  }

  async stop() {
    this.process.stdin.end();
    const [status] = await once(this.process, 'exit');
    assert.equal(status, 0);
  }

  // LAB ..., by node 0: a test kills others.
  command(...words) {
    return this.node(0, 'LAB', ...words);
  }

  // How many commands its nodes received that fit the filters of LAB LOG.
  logCount(...filters) {
    return this.command('LOG', 'COUNT', ...filters);
  }

  async id(index) {
    return String(await this.node(index, 'CLUSTER', 'MYID'));
  }

  async beginMove(slot, source, target) {
    await this.node(target, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', await this.id(source));
    await this.node(source, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', await this.id(target));
  }

  async moveKeys(source, target, ...keys) {
    const { host, port } = this.nodes[target];
    assert.equal(String(await this.node(source, 'MIGRATE', host, port, '', 0, 5000, 'KEYS', ...keys)), 'OK');
  }

  async endMove(slot, source, target) {
    const id = await this.id(target);
    await this.node(target, 'CLUSTER', 'SETSLOT', slot, 'NODE', id);
    await this.node(source, 'CLUSTER', 'SETSLOT', slot, 'NODE', id);
  }
}

// Writes all the time, and knows what each key may hold afterwards.
export class Load {
  constructor(write) {
    this.write = write; // (key, number): resolves when it is acknowledged
    this.acknowledged = new Map(); // key: the last value that was
    this.possible = new Map(); // key: values tried since then
    this.count = 0;
    this.failures = [];
    this.stopped = false;
    this.done = this.run();
  }

  async run() {
    for (let number = 1; !this.stopped; number++) {
      const key = `key:${number % 100}`;
      try {
        await this.write(key, number);
        this.acknowledged.set(key, number);
        this.possible.set(key, []);
        this.count++;
      } catch (error) {
        this.possible.get(key)?.push(number);
        this.failures.push(String(error));
        await sleep(10);
      }
    }
  }

  async waitFor(count) {
    const goal = this.count + count;
    await eventually(() => this.count >= goal, 30000);
  }

  // Stops, and reads each key back.
  async check(read) {
    this.stopped = true;
    await this.done;
    assert.equal(this.acknowledged.size, 100);
    for (const [key, value] of this.acknowledged) {
      assert.ok([value, ...this.possible.get(key)].includes(Number(await read(key))), key);
    }
  }
}

export async function eventually(condition, ms = 10000) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    assert.ok(Date.now() < end, 'waited in vain');
    await sleep(10);
  }
}

// Tests by name, one after the other; says how each went, as TAP.
export async function run(tests) {
  let number = 0;
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    number++;
    const patience = new AbortController();
    try {
      await Promise.race([test(), sleep(60000, undefined, { signal: patience.signal, ref: false })
        .then(() => assert.fail('it takes longer than a minute'))]);
      console.log(`ok ${number} - ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${number} - ${name}\n# ${String(error.stack ?? error).replaceAll('\n', '\n# ')}`);
    }
    patience.abort();
  }
  console.log(`1..${number}`);
  process.exit(failed ? 1 : 0); // connections that a failed test left open do not keep us
}
