/**
 * Whether an event is in the signed log: its leaf, hashed up along the proof, gives the root of the checkpoint.
 * Source: RFC 9162, 2.1.3.2 (the hashes are those of RFC 6962, 2.1).
 */
export interface Inclusion {
  sequence: number
  size: number
  leafHash: string
  root: string
  hashes: string[]
}

export interface Checkpoint {
  origin: string
  size: number
  /** In base64. */
  root: string
}

/** A signed note: origin, size, root, a blank line, signatures. Null if it is none. */
export function readCheckpoint(note: string): Checkpoint | null {
  const [origin, size, root] = note.split('\n')
  if (!origin || !size || !/^\d{1,16}$/.test(size) || !root) return null
  return { origin, size: Number(size), root }
}

const bytes = (base64: string) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))
const text = (found: Uint8Array) => btoa(String.fromCharCode(...found))

async function hash(prefix: number, ...parts: Uint8Array[]): Promise<Uint8Array> {
  const whole = new Uint8Array(1 + parts.reduce((sum, one) => sum + one.length, 0))
  whole[0] = prefix
  let at = 1
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', whole))
}

/** The root that the leaf and the proof lead to, in base64; "" if the proof is of another length than it has to be. */
export async function rootOf(leaf: string, { sequence, size, hashes }: Inclusion): Promise<string> {
  // As numbers beyond 2^31 are possible, halves are floors and not shifts.
  let at = sequence
  let last = size - 1
  if (sequence >= size) return ''
  let found = await hash(0, bytes(leaf))
  for (const one of hashes) {
    if (last === 0) return ''
    if (at % 2 === 1 || at === last) {
      found = await hash(1, bytes(one), found)
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2)
        last = Math.floor(last / 2)
      }
    } else {
      found = await hash(1, found, bytes(one))
    }
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 ? text(found) : ''
}

/** Browsers hash on secure pages alone: https, and this machine. */
export const canHash = () => typeof crypto !== 'undefined' && crypto.subtle !== undefined
