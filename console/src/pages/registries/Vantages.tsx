/** How a registry looks from each environment: what the pulls of its nodes have told. */
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { LOOKS } from './Checklist'
import { counted, type WholeOverview } from './model'

export function Vantages({ row }: { row: WholeOverview }) {
  const left = row.vantagesTotal - row.vantages.length
  return (
    <section aria-labelledby="vantages">
      <h2 id="vantages">From the clusters</h2>
      <p className="fresh">Nothing is asked for this: it is what pulls on the nodes have come to, with their own network and trust.</p>
      {row.vantages.length ? (
        <div className="scrolled" tabIndex={0} role="region" aria-label="From the clusters, table">
          <table className="plain" aria-label="From the clusters">
            <thead>
              <tr>
                <th scope="col">Environment</th>
                <th scope="col">Pulls</th>
                <th scope="col">What is known</th>
                <th scope="col">Told</th>
              </tr>
            </thead>
            <tbody>
              {row.vantages.map((one) => (
                <tr key={one.environment}>
                  <td>
                    <Go to={here('environments', one.environment)}>{one.environment}</Go>
                  </td>
                  <td>
                    <StateLabel look={LOOKS[one.outcome as keyof typeof LOOKS] ?? 'unknown'}>{one.outcome}</StateLabel>
                  </td>
                  <td>
                    {one.message}
                    {one.images ? <div className="fresh">{counted(one.images, 'running image')}</div> : null}
                    {one.failing.map((each) => (
                      <div key={each.cause}>
                        {counted(each.workloads, 'workload')}: {each.meaning} <code>{each.cause}</code>. <strong>What to do:</strong> {each.do}
                      </div>
                    ))}
                  </td>
                  <td>{one.at ? <When at={one.at} /> : 'never'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p>It is granted in no environment, and nothing that runs comes from it.</p>
      )}
      {left > 0 ? <p className="fresh">and {counted(left, 'more environment')}</p> : null}
    </section>
  )
}
