/** Makes tar archives, right ones and damaged ones. */
import { gzipSync } from 'node:zlib';

/** A file of an archive. */
export interface TarFile {
  name: string;
  content: string | Buffer;
  /** The type flag: `0` a regular file, `2` a symbolic link, `5` a folder, `L` GNU's long name, `S` a sparse file. */
  type?: string;
}

/** Returns a gzipped tar of the files. */
export function tgz(files: readonly TarFile[]): Buffer {
  return gzipSync(tar(files));
}

/** Returns a tar of the files, to its end. */
export function tar(files: readonly TarFile[]): Buffer {
  return Buffer.concat([...files.map(entry), Buffer.alloc(1024)]);
}

function entry({ name, content, type = '0' }: TarFile): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}
