/** The frame of a picture: drawing, what it says, the same as a table, and the drawing as a file. */
import { Button } from '@patternfly/react-core'
import { useId, useRef, type ReactNode } from 'react'

import { save, standalone } from './file'
import './pictures.css'

export interface PictureProps {
  title: string
  /** What can be read off it, as a sentence: for whoever does not see it, and as its caption. */
  says: ReactNode
  width: number
  height: number
  /** The name of the file, without its ending. */
  file: string
  /** The table with the same. */
  table: ReactNode
  /** Between the drawing and the table. */
  legend?: ReactNode
  children: ReactNode
}

export function Picture({ title, says, width, height, file, table, legend, children }: PictureProps) {
  const drawing = useRef<SVGSVGElement>(null)
  const heading = useId()
  return (
    <figure className="picture" aria-labelledby={heading}>
      <div className="picture-head">
        <figcaption id={heading}>
          <strong>{title}</strong> <span className="fresh">{says}</span>
        </figcaption>
        <Button
          variant="link"
          className="picture-save"
          onClick={() => {
            if (drawing.current) save(standalone(drawing.current, title), `${file}.svg`)
          }}
        >
          Download as SVG
        </Button>
      </div>
      {/* A group and not an image: there are links in it. */}
      <svg ref={drawing} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={title} className="drawing">
        {children}
      </svg>
      {legend}
      <details>
        <summary>As a table</summary>
        <div className="scrolled" tabIndex={0} role="region" aria-label={`${title}, table`}>
          {table}
        </div>
      </details>
    </figure>
  )
}
