import { describe, expect, it } from 'vitest'

import { readCheckpoint, rootOf, type Inclusion } from './proof'

/** Proofs of the tree of "leaf 0" to "leaf 6", made by core/merkle.py. */
const PROOFS: Inclusion[] = [
  {
    sequence: 0,
    size: 7,
    leafHash: 'G7l9zCFjXUfiZj79/QoXRobZjdcBNS3SzQbotD/T0wU=',
    root: 'WmH8K1T5z6cXdPJDIUPdQMbLKxGUf69lp9PaXLZRmcg=',
    hashes: [
      'y1o86GLD4yHz999tJpBUnpNqjjdxNarp89afaR9UfVs=',
      'T3SUBxyjgqXFBnzEEHepmf13IuBqJqqd53G+kz3BAh0=',
      'AVcbVXvHBnJlDUZ8e62DN+CafzVKcgUfI7Q6eCwPSOY=',
    ],
  },
  {
    sequence: 3,
    size: 7,
    leafHash: 'WL0UluFoSqySAcLmh+565PUclqiw2B7zWDYouT0800U=',
    root: 'WmH8K1T5z6cXdPJDIUPdQMbLKxGUf69lp9PaXLZRmcg=',
    hashes: [
      'qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3w=',
      '/F9riP+FVPdbsvnm85wxsZNtRLaSdu33sSBalVuXYeM=',
      'AVcbVXvHBnJlDUZ8e62DN+CafzVKcgUfI7Q6eCwPSOY=',
    ],
  },
  {
    sequence: 6,
    size: 7,
    leafHash: '+3+GnOi3tR/fcZ/IwhpHNsmMwWCoJWBqgfeKf00iYdk=',
    root: 'WmH8K1T5z6cXdPJDIUPdQMbLKxGUf69lp9PaXLZRmcg=',
    hashes: [
      'dauSgmjIb0TaXUJBGI7XHkqrLU131tUBF9rZSoQu3gM=',
      'T2MQhKFXxU9U/Psj/164ZQxLoWDClbsTqYMrEJ1SZ34=',
    ],
  },
]

const leaf = (number: number) => btoa(`leaf ${number}`)

describe('a proof of inclusion', () => {
  it.each(PROOFS)('leads from leaf $sequence to the root', async (proof) => {
    expect(await rootOf(leaf(proof.sequence), proof)).toBe(proof.root)
  })

  it.each(PROOFS)('leads from another leaf than $sequence elsewhere', async (proof) => {
    expect(await rootOf(leaf(proof.sequence + 10), proof)).not.toBe(proof.root)
    expect(await rootOf(leaf(proof.sequence), { ...proof, sequence: (proof.sequence + 1) % 7 })).not.toBe(proof.root)
  })

  it('of another length is none', async () => {
    const [proof] = PROOFS
    if (!proof) throw new Error('no proofs')
    expect(await rootOf(leaf(0), { ...proof, hashes: proof.hashes.slice(1) })).toBe('')
    expect(await rootOf(leaf(0), { ...proof, hashes: [...proof.hashes, proof.root] })).toBe('')
    expect(await rootOf(leaf(0), { ...proof, sequence: 7 })).toBe('')
  })
})

describe('a checkpoint', () => {
  it('is read from its note', () => {
    const note = 'portreeve.example.com/audit\n2\n9Qne8TKqOyvFFcPO4LjThLoOAzgpMWu9PBQEeLNNSVw=\n\n— portreeve.example.com/audit X\n'
    expect(readCheckpoint(note)).toEqual({
      origin: 'portreeve.example.com/audit',
      size: 2,
      root: '9Qne8TKqOyvFFcPO4LjThLoOAzgpMWu9PBQEeLNNSVw=',
    })
    expect(readCheckpoint('')).toBeNull()
    expect(readCheckpoint('a\nb\nc')).toBeNull()
  })
})
