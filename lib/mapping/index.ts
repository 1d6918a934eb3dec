/** Maps between HL7 v2 and FHIR, by tables that a person can read and change (docs/mapping.md). */
export { MapCompiler } from './compile-map';
export { hl7ToFhir, type MappedMessage, type MappingSettings } from './hl7-to-fhir';
export {
  MAP_COLUMNS,
  overlayMap,
  readMapCsv,
  readMapRows,
  SHIPPED_MAPS,
  shippedMap,
  writeMapCsv,
  type MapRow,
  type MessageMap,
  type ShippedMapName,
  type WrittenMapRow,
} from './map';
export type { MappingReport } from './report';
export type { CodeTable } from './codes/code-table';
