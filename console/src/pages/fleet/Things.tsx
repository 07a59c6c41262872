/** Three things to do: the largest blast radius first, each with its reason and one command. */
import { Button, Card, CardBody, CardTitle } from '@patternfly/react-core'

import { Copied } from '../../parts/Copied'
import { Go } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { linkOf, reach, type Thing } from './model'

export interface ThingsProps {
  things: Thing[]
  total: number
  all: boolean
  show: (all: boolean) => void
}

export function Things({ things, total, all, show }: ThingsProps) {
  return (
    <section aria-labelledby="things" className="fleet-things">
      <div className="fleet-head">
        <h2 id="things">{things.length === 1 ? 'One thing to do' : all ? 'Things to do' : 'Three things to do'}</h2>
        {total > things.length || all ? (
          <Button variant="link" onClick={() => show(!all)}>
            {all ? 'Show the first three' : `Show all ${total}`}
          </Button>
        ) : null}
      </div>
      {things.length ? null : <p>Nothing is broken, nothing ends soon, and everything that runs is judged.</p>}
      <ol className="fleet-thing-list">
        {things.map((one, index) => (
          <li key={`${one.code}/${index}`}>
            <Card isCompact isFullHeight component="section">
              <CardTitle component="h3">
                <Go to={linkOf(one)}>{one.title}</Go>
              </CardTitle>
              <CardBody>
                <p>{one.why}</p>
                {reach(one) ? (
                  <p>
                    <StateLabel look={one.stops ? 'bad' : 'warning'}>{reach(one)}</StateLabel>
                  </p>
                ) : null}
                <Copied text={one.command} what={`the command: ${one.title}`} />
              </CardBody>
            </Card>
          </li>
        ))}
      </ol>
    </section>
  )
}
