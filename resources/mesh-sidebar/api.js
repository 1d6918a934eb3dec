/** The admin endpoints. By RED's own $.ajax: it adds the user's token and the header that no other site can send. */
import { el } from './dom.js';

const { RED, $ } = globalThis;

/** What was answered instead; `message` and `advice` are for a person. */
export class Refused extends Error {
  constructor(xhr) {
    const error = xhr.responseJSON?.error;
    super(error?.message ?? (xhr.status === 401 || xhr.status === 403 ? 'refused' : 'failed'));
    this.advice = error?.advice ?? '';
    this.known = error !== undefined;
    this.status = xhr.status;
  }
}

function ajax(options) {
  return new Promise((resolve, reject) => {
    $.ajax({ ...options, success: resolve, error: (xhr) => reject(new Refused(xhr)) });
  });
}

const part = encodeURIComponent;
export const mailboxPath = (id) => `mesh/mailboxes/${part(id)}`;
export const messagePath = (id, { direction, reference }) =>
  `${mailboxPath(id)}/messages/${direction}/${part(reference)}`;

export const get = (url, data) => ajax({ url, data, dataType: 'json', cache: false });

export const post = (url, body) =>
  ajax({ url, method: 'POST', data: JSON.stringify(body), contentType: 'application/json', dataType: 'json' });

/** Sends a file as it is on the disk; `onProgress` gets bytes done and in all. */
export function upload(url, message, file, onProgress) {
  return ajax({
    url,
    method: 'POST',
    data: file,
    processData: false,
    contentType: 'application/octet-stream',
    dataType: 'json',
    headers: { 'mesh-message': encodeURIComponent(JSON.stringify(message)) },
    xhr: () => {
      const xhr = $.ajaxSettings.xhr();
      xhr.upload.addEventListener('progress', ({ loaded, total }) => onProgress(loaded, total));
      return xhr;
    },
  });
}

/**
 * Has the browser download what only this user may have, straight to the disk: its own request cannot carry the user's token, so
 * it shows a ticket, which is good once.
 */
export async function download(url, query = {}) {
  const { ticket } = await post(`${url}/ticket`, {});
  const link = el('a', { href: `${url}?${new URLSearchParams({ ...query, ticket })}`, download: '', hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

export const may = (permission) => RED.user.hasPermission(permission);
