/** Given to mocha with --require: ends the servers and clients that the tests started. */
import { stopServers } from './servers';

export const mochaHooks = {
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(30_000);
    await stopServers();
  },
};
