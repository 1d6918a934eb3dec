/** The store by itself, operation by operation. */
import { withFolder, type Settings } from '../settings';
import { storeFigures, type StoreFigures } from './store-operations';

export function store({ ledgerRows, storePart }: Settings): Promise<StoreFigures> {
  return withFolder((folder) => storeFigures(folder, ledgerRows, storePart));
}
