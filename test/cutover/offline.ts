/** A mailbox that nothing connects. */
export const OFFLINE = {
  environment: 'https://127.0.0.1:1',
  mailboxId: 'X26ABC1',
  password: 'password',
  sharedKey: 'TestKey',
};
