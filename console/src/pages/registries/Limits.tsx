/** How much may still be pulled, for each address or account that the registry counts, with what was read before. */
import { Button } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../../api/client'
import { asProblem } from '../../api/problem'
import { Fresh, When } from '../../parts/Fresh'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { duration } from '../../parts/time'
import { Wrong } from '../../parts/Wrong'
import { Course } from '../../pictures/Course'

interface Limit {
  source: string | null
  limit: number
  remaining: number
  windowSeconds: number
  readAt: string
  level: string
  pullsPerHour: number | null
  emptyAt: string | null
  advice: string
  history: { at: string; remaining: number }[]
}

interface Answer {
  unlimited: boolean
  items: Limit[]
}

const LOOKS: Record<string, 'good' | 'warning' | 'bad'> = { fine: 'good', low: 'warning', exhausted: 'bad' }

export function Limits({ name }: { name: string }) {
  const [fresh, read] = useState(0)
  const { data, error, isFetching, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['registry', name, 'limits', fresh],
    queryFn: () => send<Answer>(pathOf('registries', name, 'rate-limit'), { query: { fresh: fresh > 0 ? 'true' : undefined } }),
    retry: false,
  })
  if (error && asProblem(error).code === 'rate_limit_unknown') {
    return <Teach title="This registry does not tell of limits">Docker Hub does: what is left, for whom, and when nothing will be.</Teach>
  }
  return (
    <>
      <div className="buttons">
        <Button variant="secondary" isLoading={isFetching} spinnerAriaValueText="Reading" onClick={() => read(fresh + 1)}>
          Read it now
        </Button>
        <Fresh at={dataUpdatedAt} what="asked" />
      </div>
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {data?.unlimited ? <p>It counts nothing for this credential.</p> : null}
      {data && !data.items.length && !data.unlimited ? (
        <Teach title="Nothing has been read yet" command={`portreeve limits ${name} --fresh`}>
          What may still be pulled, for each address that leaves the network and each account, with its course.
        </Teach>
      ) : null}
      {data?.items.map((one) => (
        <section key={one.source ?? ''} aria-label={one.source ?? 'unknown source'}>
          <h2>{one.source ?? 'For whoever asks'}</h2>
          <p>
            <StateLabel look={LOOKS[one.level] ?? 'unknown'}>{one.level}</StateLabel> {one.remaining} of {one.limit} pulls are left in{' '}
            {duration(one.windowSeconds)}
            {one.pullsPerHour === null ? '' : `, ${one.pullsPerHour} are pulled in an hour`}
            {one.emptyAt ? (
              <>
                ; nothing is left <When at={one.emptyAt} />
              </>
            ) : null}
            . <Fresh at={one.readAt} what="read" />
          </p>
          {one.advice ? <p>{one.advice}</p> : null}
          <Course
            title={`Pulls left, of ${one.limit}`}
            unit="pulls left"
            most={one.limit}
            points={one.history.map(({ at, remaining }) => ({ at, value: remaining }))}
          />
        </section>
      ))}
    </>
  )
}
