/** The admin endpoints. By RED's own $.ajax: it adds the user's token and the header that no other site can send. */
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

/** Fetches what only this user may have, and hands it to the browser's downloads under the name that the server gives. */
export async function download(url, onProgress = () => undefined) {
  let name = '';
  const blob = await new Promise((resolve, reject) => {
    $.ajax({
      url,
      xhrFields: { responseType: 'blob' },
      xhr: () => {
        const xhr = $.ajaxSettings.xhr();
        xhr.addEventListener('progress', ({ loaded, total }) => onProgress(loaded, total));
        return xhr;
      },
      success: (data, _status, xhr) => {
        const given = xhr.getResponseHeader('content-disposition') ?? '';
        const encoded = /filename\*=UTF-8''([^;]+)/.exec(given)?.[1];
        name = encoded ? decodeURIComponent(encoded) : (/filename="([^"]*)"/.exec(given)?.[1] ?? 'message.dat');
        resolve(data);
      },
      error: (xhr) => {
        // jQuery reads no JSON out of a blob.
        const answer = xhr.response;
        if (!(answer instanceof Blob)) {
          reject(new Refused(xhr));
          return;
        }
        answer
          .text()
          .then((body) => reject(new Refused({ status: xhr.status, responseJSON: JSON.parse(body) })))
          .catch(() => reject(new Refused({ status: xhr.status })));
      },
    });
  });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export const may = (permission) => RED.user.hasPermission(permission);
