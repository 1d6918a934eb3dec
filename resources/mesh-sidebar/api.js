/**
 * Requests to the admin endpoints, with RED's own $.ajax: it adds the user's token and a header that no other site
 * can send.
 */
import { el } from './dom.js';
import { pressEnded } from './press.js';

const { RED, $ } = globalThis;

/** A request that failed; `message` and `advice` are meant for a person. */
export class RequestError extends Error {
  constructor(xhr) {
    const error = xhr.responseJSON?.error;
    super(error?.message ?? (xhr.status === 401 || xhr.status === 403 ? 'refused' : 'failed'));
    this.advice = error?.advice ?? '';
    /** False if `message` is only the key of a text. */
    this.known = error !== undefined;
    this.status = xhr.status;
  }
}

/** Resolves with the response when nothing is being pressed: what it shows is drawn anew then. */
async function ajax(options) {
  try {
    return await new Promise((resolve, reject) => {
      $.ajax({ ...options, success: resolve, error: (xhr) => reject(new RequestError(xhr)) });
    });
  } finally {
    await pressEnded();
  }
}

const encode = encodeURIComponent;
export const mailboxPath = (id) => `mesh/mailboxes/${encode(id)}`;
export const messagePath = (id, { direction, reference }) =>
  `${mailboxPath(id)}/messages/${direction}/${encode(reference)}`;

export const get = (url, data) => ajax({ url, data, dataType: 'json', cache: false });

export const post = (url, body) =>
  ajax({ url, method: 'POST', data: JSON.stringify(body), contentType: 'application/json', dataType: 'json' });

/** Uploads a file as it is on the disk; `onProgress` is called with the bytes done and the total. */
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
 * Starts a browser download of something that only this user may have. The browser's own request cannot carry the
 * user's token, so it carries a ticket that is valid once.
 */
export async function download(url, query = {}) {
  const { ticket } = await post(`${url}/ticket`, {});
  const link = el('a', { href: `${url}?${new URLSearchParams({ ...query, ticket })}`, download: '', hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

export const may = (permission) => RED.user.hasPermission(permission);
