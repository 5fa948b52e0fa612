/** Lines of at most `width` characters, broken at blanks; longer words stay whole. Source: mitchellh/go-wordwrap. */
export function wrapped(text: string, width: number): string {
  let written = '';
  let column = 0;
  let blanks = '';
  let word = '';
  const flush = () => {
    written += blanks + word;
    column += blanks.length + word.length;
    blanks = '';
    word = '';
  };
  for (const char of text) {
    if (char === '\n') {
      if (word === '' && column + blanks.length > width) blanks = '';
      flush();
      written += '\n';
      column = 0;
    } else if (/\s/.test(char) && char !== '\u00a0') {
      if (blanks === '' || word !== '') flush();
      blanks += char;
    } else {
      word += char;
      if (column + blanks.length + word.length > width && word.length < width) {
        written += '\n';
        column = 0;
        blanks = '';
      }
    }
  }
  if (word !== '' || column + blanks.length <= width) flush();
  return written;
}
