/** Whether a text is an NHS number: ten digits, the last of which is the check digit (Modulus 11). */
export function isNhsNumber(text: string): boolean {
  if (!/^\d{10}$/.test(text)) return false;
  let sum = 0;
  for (let place = 0; place < 9; place += 1) sum += Number(text[place]) * (10 - place);
  const check = (11 - (sum % 11)) % 11;
  return check < 10 && check === Number(text[9]);
}
