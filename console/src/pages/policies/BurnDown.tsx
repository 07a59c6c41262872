/** The roll-out day by day, as a picture. */
import { FormSelect, FormSelectOption, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { pathOf, send } from '../../api/client'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { RolloutBurnDown, type BurnDown as Shown } from '../../pictures/RolloutBurnDown'

const DAYS = ['30', '90', '180']

export function BurnDown({ name }: { name: string }) {
  const [url, set] = useUrl()
  const days = DAYS.find((one) => one === url.days) ?? '30'
  const { data, error, refetch } = useQuery({
    queryKey: ['burn-down', name, days],
    queryFn: ({ signal }) => send<Shown>(pathOf('policies', name, 'burn-down'), { query: { days }, signal }),
    refetchInterval: 60_000,
    retry: false,
  })
  return (
    <section aria-label="Violations a day">
      <FormSelect className="filter" aria-label="Days" value={days} onChange={(_, chosen) => set({ days: chosen === '30' ? undefined : chosen })}>
        {DAYS.map((one) => (
          <FormSelectOption key={one} value={one} label={`Last ${one} days`} />
        ))}
      </FormSelect>
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {!data && !error ? <Spinner size="md" aria-label="Loading the days" /> : null}
      {data ? <RolloutBurnDown shown={data} /> : null}
    </section>
  )
}
