/** A drawing as a file that needs no page around it: what styles say stands in its attributes. */

const TAKEN = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-family', 'font-size', 'font-weight', 'opacity', 'text-anchor'] as const

/** The text of an SVG document that looks as the drawing does now, in the theme that it has now. */
export function standalone(drawing: SVGSVGElement, title: string): string {
  const copy = drawing.cloneNode(true) as SVGSVGElement
  const seen = [drawing, ...drawing.querySelectorAll('*')]
  const copied = [copy, ...copy.querySelectorAll('*')]
  seen.forEach((one, index) => {
    const into = copied[index]
    if (!into) return
    const style = getComputedStyle(one)
    for (const name of TAKEN) {
      const value = style.getPropertyValue(name)
      // What is filled by a pattern says so itself, and by a name that the file keeps.
      if (value && !(name === 'fill' && one.getAttribute('fill')?.startsWith('url('))) into.setAttribute(name, value)
    }
    into.removeAttribute('class')
    into.removeAttribute('tabindex')
  })
  // Links lead into a console that whoever gets the file may not reach.
  for (const link of copy.querySelectorAll('a')) link.replaceWith(...link.childNodes)
  const [, , width = '0', height = '0'] = (drawing.getAttribute('viewBox') ?? '').split(' ')
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  copy.setAttribute('width', width)
  copy.setAttribute('height', height)
  const paper = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
  paper.setAttribute('width', width)
  paper.setAttribute('height', height)
  paper.setAttribute('fill', background(drawing))
  copy.insertBefore(paper, copy.firstChild)
  const name = document.createElementNS('http://www.w3.org/2000/svg', 'title')
  name.textContent = title
  copy.insertBefore(name, copy.firstChild)
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`
}

/** What the drawing lies upon: the first thing around it that is not seen through. */
function background(drawing: Element): string {
  for (let at: Element | null = drawing; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor
    if (color && color !== 'transparent' && color !== 'rgba(0, 0, 0, 0)') return color
  }
  return '#fff'
}

/** Give a text to the reader as a file. */
export function save(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
