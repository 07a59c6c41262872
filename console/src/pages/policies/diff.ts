/** Two texts line by line: what is gone, what is new, what stays. The longest common part is what stays. */
export interface Line {
  sign: '+' | '-' | ' '
  text: string
}

export function diff(before: string, after: string): Line[] {
  const old = before ? before.replace(/\n$/, '').split('\n') : []
  const now = after ? after.replace(/\n$/, '').split('\n') : []
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
