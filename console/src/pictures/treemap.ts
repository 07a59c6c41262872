/**
 * Squares whose areas are to each other as their values (Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000): rows
 * are filled along the shorter side for as long as that makes their squares more like squares.
 */
export interface Box {
  x: number
  y: number
  width: number
  height: number
}

/** Where each value lies within the box, in the order given. What is 0 has no area, and lies nowhere. */
export function treemap(values: number[], box: Box): Box[] {
  const total = values.reduce((sum, one) => sum + Math.max(0, one), 0)
  const found: Box[] = values.map(() => ({ x: box.x, y: box.y, width: 0, height: 0 }))
  if (!total || box.width <= 0 || box.height <= 0) return found
  const scale = (box.width * box.height) / total
  const order = values
    .map((value, index) => ({ index, area: Math.max(0, value) * scale }))
    .filter((one) => one.area > 0)
    .sort((one, other) => other.area - one.area || one.index - other.index)
  let left = { ...box }
  let at = 0
  while (at < order.length) {
    const side = Math.min(left.width, left.height)
    let end = at + 1
    while (end < order.length && worst(order.slice(at, end + 1), side) <= worst(order.slice(at, end), side)) end += 1
    left = row(order.slice(at, end), left, found)
    at = end
  }
  return found
}

interface Area {
  index: number
  area: number
}

/** The largest ratio of sides in a row along a side of this length. */
function worst(row: Area[], side: number): number {
  const sum = row.reduce((total, one) => total + one.area, 0)
  const largest = row[0]?.area ?? 0
  const smallest = row[row.length - 1]?.area ?? 0
  return Math.max((side * side * largest) / (sum * sum), (sum * sum) / (side * side * smallest))
}

/** Put a row along the shorter side; what is left of the box. */
function row(areas: Area[], box: Box, found: Box[]): Box {
  const sum = areas.reduce((total, one) => total + one.area, 0)
  const upright = box.width >= box.height
  const side = upright ? box.height : box.width
  const thick = side ? sum / side : 0
  let along = 0
  for (const { index, area } of areas) {
    const length = thick ? area / thick : 0
    found[index] = upright
      ? { x: box.x, y: box.y + along, width: thick, height: length }
      : { x: box.x + along, y: box.y, width: length, height: thick }
    along += length
  }
  return upright
    ? { x: box.x + thick, y: box.y, width: Math.max(0, box.width - thick), height: box.height }
    : { x: box.x, y: box.y + thick, width: box.width, height: Math.max(0, box.height - thick) }
}

/** The box without a margin, and without a head above. Never less than nothing. */
export function inner(box: Box, margin: number, head = 0): Box {
  return {
    x: box.x + margin,
    y: box.y + margin + head,
    width: Math.max(0, box.width - 2 * margin),
    height: Math.max(0, box.height - 2 * margin - head),
  }
}
