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
    lab.nodes = url.split('//')[1].split(',').map((each) => {
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
