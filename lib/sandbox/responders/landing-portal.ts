/** The Data Landing Portal: a tar.gz whose content tells the outcome, or nothing, which is a failure too. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { rows, silence, values, type Responder } from './responder';

const compress = promisify(gzip);
const expand = promisify(gunzip);

/** The largest submission that the sandbox expands (bytes). */
const LARGEST = 64 * 1024 * 1024;

/** Makes the service. */
export function landingPortal(): Responder {
  return {
    service: 'landing-portal',
    mailboxIds: ['X26HC010'],
    workflowIds: ['DSP_EXTRACT'],
    async answer(request, { answer }) {
      const { localId, subject, workflowId, receivedAt } = request;
      if (!/^[0-9a-f]{32}$/i.test(subject)) return silence('the subject is not a specification id of 32 hex digits');
      if (!/\.csv(?:\.gz)?$/i.test(localId))
        return silence('the local id is not a file name that ends in .csv or .csv.gz');
      const plain = await expanded(request.body, localId);
      const faults = answer === 'rejected' ? ['refused by the setting'] : submissionFaults(plain);
      const isGood = faults.length === 0;
      const submission = JSON.stringify({ fileName: localId, specification: subject, passed: isGood });
      const report = `Line,Rule\r\n${faults.map((fault) => `${fault}\r\n`).join('')}`;
      const archive = await compress(
        Buffer.concat([
          // A submission that failed is not in the archive.
          ...(isGood ? [file(localId.replace(/\.gz$/i, ''), plain ?? Buffer.alloc(0), receivedAt)] : []),
          ...(isGood ? [] : [file('validation_report.csv', Buffer.from(report), receivedAt)]),
          file('submission.json', Buffer.from(submission), receivedAt),
          Buffer.alloc(1024),
        ]),
      );
      const name = `${localId.replace(/\.csv(?:\.gz)?$/i, '')}.tar.gz`;
      return {
        replies: [
          {
            stage: 'result',
            workflowId,
            subject: 'DLPv3',
            localId: name,
            fileName: name,
            contentType: 'application/gzip',
            body: archive,
          },
        ],
        note: `${faults.length} faults. The fields of submission.json and the report's form are guesses.`,
      };
    },
  };
}

/** Returns the file as it was before its compression; undefined when it cannot be expanded. */
async function expanded(body: Buffer, localId: string): Promise<Buffer | undefined> {
  if (!/\.gz$/i.test(localId)) return body;
  return expand(body, { maxOutputLength: LARGEST }).catch(() => undefined);
}

/** Returns `line,rule` for what the portal refuses. */
function submissionFaults(plain: Buffer | undefined): string[] {
  if (plain === undefined) return ['0,the file cannot be expanded'];
  if (plain.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]))) return ['1,the first column name is not known'];
  const [headings = '', ...items] = rows(new TextDecoder('windows-1252').decode(plain));
  if (headings === '') return ['1,the file has no column names'];
  return items.flatMap((item, index) =>
    // A minus before a number is allowed.
    values(item, ',').some((value) => /^[=+@]|^-(?!\d)/.test(value))
      ? [`${index + 2},a value starts with = - + or @`]
      : [],
  );
}

/** Returns one file of a tar archive (ustar, POSIX.1-1988): a header of 512 bytes, then the bytes to a whole block. */
function file(name: string, bytes: Buffer, time: Date): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
  header.write(name.slice(-100), 0, 'utf8');
  header.write(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100, 'latin1');
  header.write(`${octal(bytes.length, 11)}\0${octal(Math.floor(time.getTime() / 1000), 11)}\0`, 124, 'latin1');
  // The checksum is taken with blanks in its own place.
  header.write('        0', 148, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}
