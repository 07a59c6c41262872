/** Two texts line by line: what is gone, what is new, what stays. The longest common part is what stays. */
export interface Line {
  sign: '+' | '-' | ' '
  text: string
}

/** Beyond this many pairs of lines it is not worked out what stays: the texts are shown one after the other. */
const MOST_PAIRS = 4_000_000

export function diff(before: string, after: string): Line[] {
  const old = split(before)
  const now = split(after)
  let head = 0
  while (head < old.length && head < now.length && old[head] === now[head]) head++
  let tail = 0
  while (tail < old.length - head && tail < now.length - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail++
  const same = (text: string): Line => ({ sign: ' ', text })
  return [
    ...old.slice(0, head).map(same),
    ...differing(old.slice(head, old.length - tail), now.slice(head, now.length - tail)),
    ...old.slice(old.length - tail).map(same),
  ]
}

function split(text: string): string[] {
  return text ? text.replace(/\n$/, '').split('\n') : []
}

function differing(old: string[], now: string[]): Line[] {
  if (old.length * now.length > MOST_PAIRS) {
    return [...old.map((text): Line => ({ sign: '-', text })), ...now.map((text): Line => ({ sign: '+', text }))]
  }
  // longest[i][j] is how many lines of old from i on and of now from j on can be kept.
  const longest = Array.from({ length: old.length + 1 }, () => new Array<number>(now.length + 1).fill(0))
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      longest[i]![j] = old[i] === now[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!)
    }
  }
  const found: Line[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      found.push({ sign: ' ', text: old[i]! })
      i++
      j++
    } else if (i < old.length && (j >= now.length || longest[i + 1]![j]! >= longest[i]![j + 1]!)) {
      found.push({ sign: '-', text: old[i++]! })
    } else {
      found.push({ sign: '+', text: now[j++]! })
    }
  }
  return found
}
