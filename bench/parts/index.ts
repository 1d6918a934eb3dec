/** The parts of the bench by name. */
import { codes } from './codes';
import { csv } from './csv';
import { formats } from './formats';
import { growth } from './growth';
import { history } from './history';
import { receiveCsv, receiveRandom, receiveSizes } from './large-receive';
import { sendCsv, sendCsvFastest, sendRandom } from './large-send';
import { flow } from './flow';
import { eventLoop, eventLoop20G } from './node-red';
import { mllp } from './mllp';
import { mllpFlow } from './mllp-flow';
import { plot } from './plot';
import { postgres } from './postgres';
import { rss, rss20G } from './rss';
import { smallDurableSend, smallReceive, smallSend } from './small';
import { store } from './store';
import { validation } from './validation';

export const PARTS = {
  sendRandom,
  sendCsv,
  sendCsvFastest,
  receiveCsv,
  receiveRandom,
  receiveSizes,
  smallSend,
  smallDurableSend,
  smallReceive,
  rss,
  rss20G,
  eventLoop,
  eventLoop20G,
  flow,
  growth,
  store,
  postgres,
  mllp,
  mllpFlow,
  formats,
  csv,
  validation,
  codes,
  plot,
  history,
} as const;

export type PartName = keyof typeof PARTS;

/** The results of the parts that were run. */
export type Results = { [Name in PartName]?: Awaited<ReturnType<(typeof PARTS)[Name]>> };
