/** The last thing that went wrong with a message: no payload, no secret, no patient data. */
export interface StoredError {
  code: string;
  message: string;
  advice?: string;
  meshCode?: string;
  event?: string;
  description?: string;
}
