/** How a list is looked at: which of its columns are shown, how close its rows stand, and names for such looks. */
import { Button } from '@patternfly/react-core'
import { lazy, Suspense, useId, useRef, useState } from 'react'

import { optional, shownColumns, toggled, type Titled } from './columns'
import { density, setDensity, type Density } from './density'

export interface ViewProps {
  /** What the list is: "Registries". */
  caption: string
  columns: Titled[]
  /** Which of them the address asks for. */
  asked: string
  set: (columns: string | undefined) => void
}

const SavedViews = lazy(async () => ({ default: (await import('./SavedViews')).SavedViews }))

const DENSITIES: [Density, string][] = [
  ['compact', 'Compact'],
  ['comfortable', 'Comfortable'],
]

/** The button and its panel: the browser's own popover, which Escape closes and from which the focus comes back. */
export function View({ caption, columns, asked, set }: ViewProps) {
  const id = useId()
  const [close, choose] = useState(density)
  const [opened, open] = useState(false)
  const panel = useRef<HTMLDivElement>(null)
  const shown = shownColumns(columns, asked)
  return (
    <div className="view">
      <Button variant="secondary" popoverTarget={id} data-view="">
        View
      </Button>
      <div id={id} ref={panel} popover="auto" onToggle={() => open(true)} className="view-panel" role="group" aria-label={`View of ${caption}`}>
        <fieldset>
          <legend>Columns</legend>
          {columns.filter(optional).map((one) => (
            <label key={one.title}>
              <input type="checkbox" checked={shown.includes(one)} onChange={() => set(toggled(columns, asked, one) || undefined)} /> {one.title}
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend>Rows</legend>
          {DENSITIES.map(([one, title]) => (
            <label key={one}>
              <input
                type="radio"
                name={`${id}-density`}
                checked={close === one}
                onChange={() => {
                  setDensity(one)
                  choose(one)
                }}
              />{' '}
              {title}
            </label>
          ))}
        </fieldset>
        {opened ? (
          <Suspense>
            <SavedViews close={() => panel.current?.hidePopover()} />
          </Suspense>
        ) : null}
      </div>
    </div>
  )
}
