// Package scrub replaces echoes of what a request placed in the answer to it.
//
// The agent chooses the text around an echo, chooses guesses, and sees how an
// answer is framed and when its pieces come. So nothing that it can see may
// depend on a secret that does not stand in the answer:
//
//   - A Needle is one value that was placed. It is found whole or not at all,
//     and every byte of it becomes an asterisk, so that lengths stay.
//   - How much of a body is held back, and when the rest is written, follows
//     from its type, from lengths, from time and from line ends (see body).
//   - The search looks at text through hashes whose key is this process's own;
//     its time depends on a secret only where sixteen bytes in a row from the
//     secret's end, or eight of a short one, stand in the text (see class), and on
//     whether secrets have spaces, quotes and the like at all (see view.passes).
//   - What could be guessed (Bits below Guessable) is replaced only beside the
//     name that it was placed with, which is public (see near).
//
// A value is also found as services spell it: percent-encoded, with JSON's or
// HTML's escapes, in quoted-printable, base64 and hex. Spellings are not listed
// but undone: a view is the text with its escapes decoded, and a view of that
// view undoes what was escaped twice. In a view the same search runs.
//
// The package knows of HTTP only messages; what was placed comes from outside.
package scrub
