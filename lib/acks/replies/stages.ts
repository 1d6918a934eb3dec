/**
 * The replies to a workflow's messages, stage by stage, as its profile prescribes them: a receipt, then a result, then a
 * report, for example. A stage says which messages are replies of it (`when`), which sent message each belongs to
 * (`match`), what it says about it (`outcomes`), and by when it has to be there (`dueWithin`). Profiles that are shipped
 * and those of a user have the same form.
 *
 * Of a reply's payload the first 64 KiB are read; JSON only if it has at most 1 MiB; rows and archives from beginning to
 * end, a piece at a time.
 */
import { z } from 'zod';
import { patternFault } from './patterns';

/**
 * What a stage is. `receipt`: the request has arrived, and nothing is decided yet. `result`: what became of it.
 * `report`: something more about it, such as the rows that failed.
 */
const STAGE_KINDS = ['receipt', 'result', 'report'] as const;

/**
 * How many replies a stage has. `expected`: one, and it is overdue if it does not come in time. `optional`: one or none.
 * `any`: any number, each of which counts.
 */
const STAGE_OCCURRENCES = ['expected', 'optional', 'any'] as const;

/** What a reply says of its request; `unclear`: a person has to look at it, and it settles nothing. */
const REPLY_OUTCOMES = ['positive', 'partial', 'negative', 'unclear'] as const;

/** The parts of a reply in which a value that names its request can be. */
const VALUE_PLACES = ['localId', 'subject', 'fileName', 'json', 'firstRow', 'beginning', 'rows'] as const;

/**
 * What of the request the value is compared with, without regard to case. `localIdStem`, `fileNameStem`: without the
 * extensions (`a.csv.gz` is `a`). `messageId`: MESH's id. `key`: the profile's `requestKey`, read from the request's
 * payload when it was sent.
 */
const REQUEST_VALUES = ['localId', 'localIdStem', 'messageId', 'fileName', 'fileNameStem', 'subject', 'key'] as const;
export type RequestValue = (typeof REQUEST_VALUES)[number];

/** In a pattern for the names in an archive: the value by which the reply is matched. */
export const MATCH = '{match}';

const pattern = z
  .string()
  .min(1)
  .max(500)
  .superRefine((text, context) => {
    const fault = patternFault(text.replaceAll(MATCH, 'x'));
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });
const texts = z.union([z.string().max(500), z.array(z.string().max(500)).min(1).max(100)]);
/** Names separated by dots, and `[0]` for an element: `metadata.request.extra.message_id`. */
const jsonPath = z.string().regex(/^[^.[\]]+(?:\.[^.[\]]+|\[\d+\])*$/, 'is no path such as a.b[0].c');
/** A column by its name in the first row, without regard to case; or by its number, from 1. */
const column = z.union([z.string().min(1).max(200), z.int().min(1).max(1000)]);

/**
 * A condition on a received message: all of its fields must be met. Patterns are regular expressions; those that could
 * take very long are refused.
 */
const conditionSchema = z.strictObject({
  /** Its workflow, without regard to case. */
  workflowId: z.string().trim().min(1).max(300).optional(),
  /** Its subject, exactly; `''` for none. */
  subject: z.string().max(500).optional(),
  subjectPattern: pattern.optional(),
  localIdPattern: pattern.optional(),
  fileNamePattern: pattern.optional(),
  /** A value in a JSON payload: it is there, or equals one of the texts. Numbers are compared as they are written. */
  json: z.strictObject({ path: jsonPath, equals: texts.optional() }).optional(),
  /** A pattern for the first line. A payload without a byte has an empty one. */
  firstLine: pattern.optional(),
  /** A pattern for the first 4,096 characters. */
  beginning: pattern.optional(),
  /** Names that the first row of a delimited file has, without regard to case and order. Delimiter: `,` `|` `;` or tab. */
  columns: z.array(z.string().min(1).max(200)).min(1).max(200).optional(),
  /** A value of the first row, by the number of its column. */
  firstRow: z.strictObject({ column: z.int().min(1).max(1000), equals: texts }).optional(),
  /** Any row of a delimited file, after the first, has one of these values in this column. */
  row: z.strictObject({ column, equals: texts }).optional(),
  /** The message type of an EDIFACT interchange's first message (UNH), e.g. `RECEP`. */
  edifact: z.string().min(1).max(20).optional(),
  /**
   * The payload is a tar.gz archive with an entry whose name fits the pattern (`has`), or with none (`lacks`). In both,
   * `{match}` stands for the value by which the reply is matched.
   */
  archive: z.strictObject({ has: pattern.optional(), lacks: pattern.optional() }).optional(),
});

export type ReplyCondition = z.output<typeof conditionSchema>;

/** Where a payload has a value. */
const payloadValue = {
  /** With `json`. */
  path: jsonPath.optional(),
  /** With `firstRow` or `rows`. */
  column: column.optional(),
  /** Its first group is the value; without a group, all that fits. Without a pattern, the whole text. */
  pattern: pattern.optional(),
};

/**
 * How a reply is matched to its request: a value of the reply, and what of the request it must equal. With `rows`, each
 * row names a request of its own: every request that is named is settled.
 */
const matcherSchema = z
  .strictObject({ in: z.enum(VALUE_PLACES), ...payloadValue, request: z.enum(REQUEST_VALUES) })
  .superRefine(checkPlace);
export type ReplyMatcher = z.output<typeof matcherSchema>;

/** Where a request has the id that its replies name (`key` in a matcher). */
export const requestKeySchema = z
  .strictObject({ in: z.enum(['subject', 'fileName', 'json', 'firstRow', 'beginning']), ...payloadValue })
  .superRefine(checkPlace);
export type RequestKey = z.output<typeof requestKeySchema>;

function checkPlace(
  value: { in: string; path?: string | undefined; column?: string | number | undefined },
  context: z.RefinementCtx,
): void {
  const missing = (path: string, why: string): void => context.addIssue({ code: 'custom', path: [path], message: why });
  if (value.in === 'json' && value.path === undefined) missing('path', 'is missing: where in the JSON is the value?');
  if (value.in === 'rows' && value.column === undefined) missing('column', 'is missing: which column has the value?');
  if (value.in === 'firstRow' && typeof value.column !== 'number') missing('column', 'must be the number of a column');
}

/**
 * Compares the rows of a reply with those of the request, where the reply has the rows that remain. It may leave rows
 * out, and may not add or repeat any. What does not agree settles nothing and is raised.
 */
const compareSchema = z.strictObject({
  /** The column of the reply: by its number, if the file has no column names, or by its name in the first row. */
  column,
  /** The column of the request. Default: as in the reply. */
  requestColumn: column.optional(),
  /** How much of the request has to remain, in percent of its rows: less is taken for a file that was cut short. */
  minimumPercent: z.number().min(0).max(100).default(0),
});
export type RowComparison = z.output<typeof compareSchema>;

const mailbox = z.string().trim().min(1).max(100);

/** A stage of the replies to one request. */
export const stageSchema = z
  .strictObject({
    /** Its name within the profile, as people see it: letters, digits, spaces and hyphens. */
    name: z.string().regex(/^[A-Za-z][\w -]{0,39}$/, 'must be a name of at most 40 letters, digits, spaces or hyphens'),
    kind: z.enum(STAGE_KINDS),
    occurs: z.enum(STAGE_OCCURRENCES).default('expected'),
    /** By when it has to be there, from the acceptance of the request by MESH: in one of these units. */
    dueWithin: z
      .union([
        z.strictObject({ minutes: z.number().positive().max(600_000) }),
        z.strictObject({ hours: z.number().positive().max(10_000) }),
        /** Monday to Friday, as in `businessWorkingDays`. */
        z.strictObject({ workingDays: z.number().positive().max(1000) }),
      ])
      .optional(),
    /**
     * Whose messages can be replies of it: the mailbox that the request was sent to (`recipient`), any mailbox (`any`),
     * or the mailboxes with these ids. Default: the recipient. A guessed local id from another mailbox settles nothing.
     * With ids, what others send on the workflow is no reply but data: requests to us, for example.
     */
    from: z.union([mailbox, z.array(mailbox).min(1).max(20)]).default('recipient'),
    /**
     * Which messages are replies of it. Without a workflow: those on the profile's `ackWorkflowId`, or on the workflow
     * itself if it has none. The first stage whose condition is met counts.
     */
    when: conditionSchema.prefault({}),
    /**
     * Which request it belongs to. Every value that the reply has must agree; at least one must be there. If two
     * requests could be meant, or none, it settles nothing and is raised.
     */
    match: z.array(matcherSchema).min(1).max(5),
    /** What it says: the first that is met. `code`: a word for it, shown to people. */
    outcomes: z
      .array(
        z.strictObject({
          outcome: z.enum(REPLY_OUTCOMES),
          when: conditionSchema,
          code: z.string().min(1).max(100).optional(),
        }),
      )
      .max(20)
      .default([]),
    /** What a reply says that meets none of the outcomes. Default: positive. */
    otherwise: z.enum(REPLY_OUTCOMES).default('positive'),
    /** For a stage whose replies have rows of the request: looked at where the outcome is positive or partial. */
    compare: compareSchema.optional(),
  })
  .superRefine(({ match, compare }, context) => {
    if (compare !== undefined && match.some((matcher) => matcher.in === 'rows')) {
      context.addIssue({
        code: 'custom',
        path: ['compare'],
        message: 'needs replies that belong to one request, and these are matched row by row',
      });
    }
  })
  .superRefine(({ occurs, dueWithin }, context) => {
    if (occurs === 'expected' && dueWithin === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['dueWithin'],
        message: 'is missing: an expected reply needs a time, or its absence would never be seen',
      });
    }
  });
export type ReplyStage = z.output<typeof stageSchema>;
