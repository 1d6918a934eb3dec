/** NHAIS GP Links: a RECEP for every interchange, matched by the numbers inside. */
import { silence, type Responder } from './responder';

/** Makes the service. */
export function nhais(): Responder {
  let interchanges = 63;
  return {
    service: 'nhais',
    mailboxIds: ['X26NHAIS'],
    workflowIds: ['NHAIS_REG'],
    answer(request, { answer }) {
      const text = request.body.toString('latin1');
      const header = /UNB\+UNOA:2\+([^+']*)\+([^+']*)\+\d{6}:\d{4}\+(\d{8})/.exec(text);
      if (answer === 'rejected' || header === null) {
        // NHAIS no longer sends negative receipts: a missing one is the failure.
        return silence('what NHAIS cannot read gets no receipt');
      }
      const [, practice = '', authority = '', interchange = ''] = header;
      const messages = [...text.matchAll(/UNH\+(\d{8})\+/g)].map(([, number]) => number ?? '');
      const number = String((interchanges += 1)).padStart(8, '0');
      const time = request.receivedAt.toISOString().replace(/\D/g, '');
      const minute = time.slice(0, 12);
      const segments = [
        `UNH+${number}+RECEP:0:2:FH`,
        `BGM++600+243:${minute}:306+64`,
        `NHS+${authority}:819:201+${practice}:814:202`,
        `DTM+815:${minute}:306`,
        ...messages.map((message) => `RFF+MIS:${message} CP`),
        `RFF+RIS:${interchange} OK:${messages.length}`,
      ];
      const body = [
        `UNB+UNOA:2+${authority}+${practice}+${time.slice(2, 8)}:${time.slice(8, 12)}+${number}++RECEP+++EDIFACT TRANSFER`,
        ...segments,
        `UNT+${segments.length + 1}+${number}`,
        `UNZ+1+${number}`,
      ];
      return {
        replies: [
          {
            stage: 'receipt',
            workflowId: 'NHAIS_RECEP',
            fileName: 'edifact.dat',
            body: body.map((segment) => `${segment}'\n`).join(''),
          },
        ],
        note: `Receipt for ${messages.length} messages. The business answer is another message, which the sandbox does not send.`,
      };
    },
  };
}
