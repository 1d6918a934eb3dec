/** The shared texts of the edit dialogs (locales/<lang>/mesh-editor.json). */
const { RED } = globalThis;

export const PACKAGE = '@mesh-flows/node-red-nhs-mesh/';

/** Returns a shared text; i18next fills in `values`. */
export function text(key, values) {
  return RED._(`${PACKAGE}mesh-editor:mesh-editor.${key}`, values);
}
