import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { listenOn, stopServer } from '../harness/ports';
import { untilInNodeRed } from '../harness/until';
import { ExampleRun } from '../harness/example-run';
import { MAJORS } from '../harness/flows';

const LETTER = 'TOC_FHIR_IP_DISCH';

/** The FHIR server's reaction to a bundle: a status; `lost` stores it but sends no response; `hang` does neither. */
type Reaction = 201 | 401 | 422 | 503 | 'lost' | 'hang';

/** A FHIR server with conditional creates (FHIR STU3, http.html#ccreate), as far as the flow needs it. */
class FhirServer {
  reaction: Reaction = 201;
  requests = 0;
  readonly created = new Map<string, { type: string; body: string }>();
  readonly #server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      this.requests += 1;
      const id = String(request.headers['if-none-exist']);
      if (this.reaction === 'hang') return;
      if (typeof this.reaction === 'number' && this.reaction !== 201) {
        response.writeHead(this.reaction).end('{"resourceType":"OperationOutcome"}');
        return;
      }
      const isNew = !this.created.has(id);
      if (isNew) this.created.set(id, { type: String(request.headers['content-type']), body });
      if (this.reaction === 'lost') request.socket.destroy();
      else response.writeHead(isNew ? 201 : 200).end();
    });
  });

  listen(port?: number): Promise<number> {
    return listenOn(this.#server, port);
  }

  close(): Promise<void> {
    return stopServer(this.#server);
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
        extraNodes: [{ id: 'broken-sender', type: 'inject', z: 'fhir-server', props: [], wires: [['fs-as']] }],
      });
      await run.untilGreen('fs-poll', 'fs-answers');
    });
    after(async () => {
      await run?.end();
      await server.close();
    });
    beforeEach(() => (server.reaction = 201));

    const change = (expected: string): Promise<unknown> =>
      run.nodeRed.debug('fs-change', 30_000, (value) => value === expected);
    const alert = (fits: RegExp): Promise<unknown> =>
      run.nodeRed.debug('fs-alert', 30_000, (value) => fits.test((value as { what: string }).what));
    /** Returns the number of ITK3 acknowledgements at MESH. */
    const acknowledgements = (): number => run.sent(`${LETTER}_ACK`).length;

    for (const form of ['xml', 'json']) {
      it(`posts a bundle in ${form} unchanged, and sends both acknowledgements when the server has it`, async () => {
        const before = acknowledgements();
        await run.nodeRed.inject(`fs-send${form}`);
        await change('infrastructure positive');
        await change('business positive');
        const latest = [...server.created.values()].at(-1);
        assert.equal(latest?.type, `application/fhir+${form}`);
        assert.match(latest?.body ?? '', form === 'xml' ? /<value value="9990000018"\/>/ : /"value":"9990000018"/);
        assert.equal(acknowledgements(), before + 2);
      });
    }

    it('rejects a bundle that the server refuses with 20009, and alerts both sides', async () => {
      server.reaction = 422;
      const before = acknowledgements();
      await run.nodeRed.inject('fs-sendxml');
      await alert(/refused a bundle: status 422/);
      await alert(/^infrastructure negative 20009/);
      assert.equal(acknowledgements(), before + 1);
    });

    it('rejects a payload that is no FHIR bundle with 10009, in either form', async () => {
      for (const payload of ['<Bundle xmlns="http://hl7.org/fhir"><type', '{"resourceType": "Bundle"', '{"a": 1}']) {
        const before = acknowledgements();
        await run.nodeRed.inject('broken-sender', [
          { p: 'payload', v: payload, vt: 'str' },
          { p: 'as', v: 'json', vt: 'str' },
        ]);
        await alert(/no FHIR bundle/);
        const isRejection = (value: unknown): boolean => (value as { code: string }).code === '10009';
        await run.nodeRed.debug('fs-answered', 30_000, isRejection);
        await untilInNodeRed('its acknowledgement', () => acknowledgements() === before + 1);
      }
    });

    it('while the server is offline, busy or refuses us: no acknowledgement, alerts, redelivery', async () => {
      const before = acknowledgements();
      const created = server.created.size;
      await server.close();
      await run.nodeRed.inject('fs-sendxml');
      await alert(/ECONNREFUSED/);
      server.reaction = 503;
      await server.listen(port);
      await alert(/responded with 503: redelivered later/);
      server.reaction = 401;
      await alert(/responded with 401/);
      assert.equal(acknowledgements(), before);
      server.reaction = 201;
      await change('business positive');
      assert.deepEqual([server.created.size, acknowledgements()], [created + 1, before + 2]);
    });

    it('creates a bundle once, although the server’s response was lost and Node-RED was killed', async () => {
      const [before, created] = [acknowledgements(), server.created.size];
      server.reaction = 'lost';
      await run.nodeRed.inject('fs-sendjson');
      await untilInNodeRed('the bundle at the server', () => server.created.size === created + 1);
      server.reaction = 'hang';
      const requests = server.requests;
      await untilInNodeRed('a second request', () => server.requests > requests);
      await run.restart('SIGKILL');
      server.reaction = 201;
      await change('business positive');
      assert.deepEqual([server.created.size, acknowledgements()], [created + 1, before + 2]);
    });
  });
}
