/* Solves a puzzle of otp.challenges.altcha as quickly as one core of an x86 with SHA instructions does.
 * Words: nonce and salt (16 bytes as hex), iterations, the first 4 bytes of the key (hex). Prints the counter.
 *
 * An iteration of PBKDF2 waits for the one before, and so does each instruction in it: LANES counters side by side
 * fill the time in between.
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 4 };
typedef __m128i Words; /* four of 32 bits, the first one lowest */
typedef struct { Words abef, cdgh; } State;

static const uint32_t K[64] __attribute__((aligned(16))) = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t FIRST[8] = {
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* The two halves of a state as the instructions want them, and back: the same steps. */
static inline State turned(Words first, Words second) {
  return (State){_mm_shuffle_epi32(_mm_unpacklo_epi64(first, second), 0x1b),
                 _mm_shuffle_epi32(_mm_unpackhi_epi64(first, second), 0x1b)};
}

static inline void words_of(State state, Words *first, Words *second) {
  Words low = _mm_shuffle_epi32(state.abef, 0x1b), high = _mm_shuffle_epi32(state.cdgh, 0x1b);
  *first = _mm_unpacklo_epi64(low, high);
  *second = _mm_unpackhi_epi64(low, high);
}

static inline void compress(State state[LANES], Words block[LANES][4]) {
  State before[LANES];
  memcpy(before, state, sizeof before);
#pragma GCC unroll 16
  for (int step = 0; step < 16; step++) {
    Words k = _mm_load_si128((const Words *)&K[4 * step]);
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i++) {
      Words *w = block[i];
      if (step >= 4) {
        Words next = _mm_sha256msg1_epu32(w[step & 3], w[(step + 1) & 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(w[(step + 3) & 3], w[(step + 2) & 3], 4));
        w[step & 3] = _mm_sha256msg2_epu32(next, w[(step + 3) & 3]);
      }
      Words sum = _mm_add_epi32(w[step & 3], k);
      state[i].cdgh = _mm_sha256rnds2_epu32(state[i].cdgh, state[i].abef, sum);
      state[i].abef = _mm_sha256rnds2_epu32(state[i].abef, state[i].cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
  }
  for (int i = 0; i < LANES; i++) {
    state[i].abef = _mm_add_epi32(state[i].abef, before[i].abef);
    state[i].cdgh = _mm_add_epi32(state[i].cdgh, before[i].cdgh);
  }
}

/* What follows 32 bytes that come after one block. */
#define END0 _mm_setr_epi32((int)0x80000000, 0, 0, 0)
#define END1 _mm_setr_epi32(0, 0, 0, 768)

/* The keys of LANES counters. */
static void derive(const uint32_t nonce[4], const uint32_t salt[4], uint32_t counter, long cost,
                   uint32_t key[LANES][8]) {
  State inner[LANES], outer[LANES], now[LANES];
  Words block[LANES][4], u[LANES][2], sum[LANES][2];
  State first = turned(_mm_loadu_si128((const Words *)FIRST), _mm_loadu_si128((const Words *)(FIRST + 4)));
  for (int pad = 0; pad < 2; pad++) {
    Words fill = _mm_set1_epi32(pad ? 0x5c5c5c5c : 0x36363636);
    State *keyed = pad ? outer : inner;
    for (int i = 0; i < LANES; i++) {
      keyed[i] = first;
      block[i][0] = _mm_xor_si128(_mm_loadu_si128((const Words *)nonce), fill);
      block[i][1] = _mm_xor_si128(_mm_setr_epi32((int)(counter + i), 0, 0, 0), fill);
      block[i][2] = block[i][3] = fill;
    }
    compress(keyed, block);
  }
  for (long turn = 0; turn < cost; turn++) {
    memcpy(now, inner, sizeof now);
    for (int i = 0; i < LANES; i++) {
      if (turn) {
        block[i][0] = u[i][0], block[i][1] = u[i][1], block[i][2] = END0, block[i][3] = END1;
      } else { /* the salt, and the number of the block */
        block[i][0] = _mm_loadu_si128((const Words *)salt);
        block[i][1] = _mm_setr_epi32(1, (int)0x80000000, 0, 0);
        block[i][2] = _mm_setzero_si128(), block[i][3] = _mm_setr_epi32(0, 0, 0, (64 + 20) * 8);
      }
    }
    compress(now, block);
    for (int i = 0; i < LANES; i++) {
      words_of(now[i], &block[i][0], &block[i][1]);
      block[i][2] = END0, block[i][3] = END1;
    }
    memcpy(now, outer, sizeof now);
    compress(now, block);
    for (int i = 0; i < LANES; i++) {
      words_of(now[i], &u[i][0], &u[i][1]);
      sum[i][0] = turn ? _mm_xor_si128(sum[i][0], u[i][0]) : u[i][0];
      sum[i][1] = turn ? _mm_xor_si128(sum[i][1], u[i][1]) : u[i][1];
    }
  }
  memcpy(key, sum, sizeof sum);
}

static void read_words(const char *hex, uint32_t words[4]) {
  for (int i = 0; i < 4; i++) {
    char part[9] = {0};
    memcpy(part, hex + 8 * i, 8);
    words[i] = (uint32_t)strtoul(part, NULL, 16);
  }
}

int main(int count, char **words) {
  if (count != 5) return 2;
  uint32_t nonce[4], salt[4], key[LANES][8];
  read_words(words[1], nonce);
  read_words(words[2], salt);
  long cost = atol(words[3]);
  uint32_t wanted = (uint32_t)strtoul(words[4], NULL, 16);
  for (uint32_t counter = 0;; counter += LANES) {
    derive(nonce, salt, counter, cost, key);
    for (int i = 0; i < LANES; i++) {
      if (key[i][0] == wanted) {
        printf("%u\n", counter + i);
        return 0;
      }
    }
  }
}
