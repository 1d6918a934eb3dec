import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { untilInNodeRed } from '../harness/until';
import { ExampleRun } from '../harness/example-run';
import { MAJORS } from '../harness/flows';

const LETTER = 'TOC_FHIR_IP_DISCH';

/** How the FHIR server takes a bundle: `lost` makes it and never answers, `holds` answers nothing at all. */
type Mood = 201 | 401 | 422 | 503 | 'lost' | 'holds';

/** A FHIR server that does conditional creates (FHIR STU3, http.html#ccreate), as far as the flow needs one. */
class FhirServer {
  mood: Mood = 201;
  asked = 0;
  readonly made = new Map<string, { type: string; body: string }>();
  readonly #server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      this.asked += 1;
      const id = String(request.headers['if-none-exist']);
      if (this.mood === 'holds') return;
      if (typeof this.mood === 'number' && this.mood !== 201) {
        response.writeHead(this.mood).end('{"resourceType":"OperationOutcome"}');
        return;
      }
      const isNew = !this.made.has(id);
      if (isNew) this.made.set(id, { type: String(request.headers['content-type']), body });
      if (this.mood === 'lost') request.socket.destroy();
      else response.writeHead(isNew ? 201 : 200).end();
    });
  });

  async listen(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

for (const major of MAJORS) {
  describe(`the example mesh-to-fhir-server in a real Node-RED ${major}`, function () {
    this.timeout(90_000);
    const server = new FhirServer();
    let port: number;
    let run: ExampleRun;

    before(async () => {
      port = await server.listen();
      run = await ExampleRun.start('mesh-to-fhir-server', {
        major,
        changes: {
          'fhir-server': { env: [{ name: 'FHIR_URL', value: `http://127.0.0.1:${port}/fhir/Bundle`, type: 'str' }] },
          'fs-poll': { interval: 0.005 },
          'fs-answers': { interval: 0.005 },
          'example-x26abc11': { leaseMinutes: 0.02, maxDeliveries: 1000 },
        },
      });
      await run.untilGreen('fs-poll', 'fs-answers');
    });
    after(async () => {
      await run?.end();
      await server.close();
    });
    beforeEach(() => (server.mood = 201));

    const change = (wanted: string): Promise<unknown> =>
      run.nodeRed.debug('fs-change', 30_000, (value) => value === wanted);
    const alert = (fits: RegExp): Promise<unknown> =>
      run.nodeRed.debug('fs-alert', 30_000, (value) => fits.test((value as { what: string }).what));
    /** How many answers there are to the message sent last. */
    const answers = (): number => run.sent(`${LETTER}_ACK`).length;

    for (const form of ['xml', 'json']) {
      it(`posts a bundle in ${form} as it came, and acknowledges it when the server has it`, async () => {
        const before = answers();
        await run.nodeRed.inject(`fs-send${form}`);
        await change('infrastructure positive');
        await change('business positive');
        const made = [...server.made.values()].at(-1);
        assert.equal(made?.type, `application/fhir+${form}`);
        assert.match(made?.body ?? '', form === 'xml' ? /<value value="9990000018"\/>/ : /"value":"9990000018"/);
        assert.equal(answers(), before + 2);
      });
    }

    it('rejects with 20009 what the server refuses, and tells both sides', async () => {
      server.mood = 422;
      const before = answers();
      await run.nodeRed.inject('fs-sendxml');
      await alert(/refused a bundle: status 422/);
      await alert(/^infrastructure negative 20009/);
      assert.equal(answers(), before + 1);
    });

    it('rejects with 10009 what is no FHIR, in either form', async () => {
      for (const payload of ['<Bundle xmlns="http://hl7.org/fhir"><type', '{"resourceType": "Bundle"', '{"a": 1}']) {
        const before = answers();
        await run.nodeRed.inject('fs-sendjson', [
          { p: 'payload', v: payload, vt: 'str' },
          { p: 'as', v: 'json', vt: 'str' },
        ]);
        await alert(/no FHIR bundle/);
        const isIt = (value: unknown): boolean => (value as { code: string }).code === '10009';
        await run.nodeRed.debug('fs-answered', 30_000, isIt);
        await untilInNodeRed('its answer', () => answers() === before + 1);
      }
    });

    it('with the server away, busy or refusing us: nothing is answered, it is told, and delivered again', async () => {
      const before = answers();
      const made = server.made.size;
      await server.close();
      await run.nodeRed.inject('fs-sendxml');
      await alert(/ECONNREFUSED/);
      server.mood = 503;
      await server.listen(port);
      await alert(/answered 503: delivered again later/);
      server.mood = 401;
      await alert(/answered 401/);
      assert.equal(answers(), before);
      server.mood = 201;
      await change('business positive');
      assert.deepEqual([server.made.size, answers()], [made + 1, before + 2]);
    });

    it('makes a bundle once, though the server’s answer was lost and Node-RED was killed', async () => {
      const [before, made] = [answers(), server.made.size];
      server.mood = 'lost';
      await run.nodeRed.inject('fs-sendjson');
      await untilInNodeRed('it made', () => server.made.size === made + 1);
      server.mood = 'holds';
      const asked = server.asked;
      await untilInNodeRed('it again', () => server.asked > asked);
      await run.restart('SIGKILL');
      server.mood = 201;
      await change('business positive');
      assert.deepEqual([server.made.size, answers()], [made + 1, before + 2]);
    });
  });
}
