/** The bench's server, as the parent process controls it. */
import { Child } from './child';
import type { ServerFigures } from './compare';
import type { Address } from './connection';
import type { Part } from '../files';

/** A running bench server. */
export class BenchServer {
  private constructor(
    readonly child: Child,
    readonly address: Address,
  ) {}

  static async start(): Promise<BenchServer> {
    const child = Child.script('servers/mesh-server.ts');
    return new BenchServer(child, await child.ask<Address>('listen'));
  }

  /** Resets the counters. `verify` computes checksums of sent messages; `looped` puts sent messages into the inbox. */
  reset(how: { verify?: boolean; looped?: boolean } = {}): Promise<unknown> {
    return this.child.ask('reset', how);
  }

  figures(): Promise<ServerFigures> {
    return this.child.ask('figures');
  }

  /** Puts one large message into the inbox. */
  prepare(messageId: string, chunks: readonly Part[], encoding?: 'gzip'): Promise<unknown> {
    return this.child.ask('prepare', { messageId, chunks, encoding });
  }

  /** Puts `count` messages into the inbox, each the first `bytes` of a file. */
  fill(count: number, prefix: string, file: string, bytes: number): Promise<unknown> {
    return this.child.ask('fill', { count, prefix, file, bytes });
  }

  clearInbox(): Promise<unknown> {
    return this.child.ask('clearInbox');
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}
