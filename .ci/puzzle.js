// The source of otp/static/otp/puzzle.js, which is this and what it needs of ALTCHA's library in one file:
// esbuild .ci/puzzle.js --bundle --format=esm --target=es2020 --banner:js="/*! With parts of altcha-lib 2.8.0, MIT: see puzzle.LICENSE.txt. Made of .ci/puzzle.js */" --outfile=otp/static/otp/puzzle.js
import { solveChallenge } from "altcha-lib";
import { deriveKey } from "altcha-lib/algorithms/web/pbkdf2";

// The answer to a puzzle, as a start takes it in `challenge`. The browser derives the keys beside the script, several at
// once, so the page stays at work. Raises where it cannot be found, as without https.
export const answer = async (challenge) => {
  const controller = new AbortController();
  const counterStep = Math.min(navigator.hardwareConcurrency || 1, 4);
  const looks = Array.from({ length: counterStep }, (_, counterStart) =>
    solveChallenge({ challenge, controller, counterStart, counterStep, deriveKey }),
  );
  try {
    const solution = await Promise.race(looks);
    if (!solution) throw new Error("no answer in time");
    return btoa(JSON.stringify({ challenge, solution }));
  } finally {
    controller.abort();
  }
};
