/** The whole fleet in numbers; each leads to the list that has as many rows. */
import { Go } from '../../parts/Go'
import { Verdict } from '../../parts/State'
import { counted, imagesOf, percent, WORDS, type Fleet } from './model'

export function Totals({ totals }: { totals: Fleet['totals'] }) {
  return (
    <section aria-labelledby="totals" className="fleet-totals">
      <h2 id="totals">Running images</h2>
      <dl className="fleet-numbers">
        <div>
          <dt>All</dt>
          <dd>
            {totals.images === null ? 'unknown' : <Go to="/images">{totals.images.toLocaleString('en')}</Go>}
            <span className="fresh">
              {' '}
              from {totals.reported} of {counted(totals.environments, 'environment')}
            </span>
          </dd>
        </div>
        {WORDS.map((word) => (
          <div key={word}>
            <dt>
              <Verdict verdict={word === 'NOT_JUDGED' ? null : word} />
            </dt>
            <dd>{totals.verdicts ? <Go to={imagesOf(word)}>{totals.verdicts[word].toLocaleString('en')}</Go> : 'unknown'}</dd>
          </div>
        ))}
        <div>
          <dt>Judged by a policy</dt>
          <dd>{percent(totals.coverage)}</dd>
        </div>
        <div>
          <dt>Credentials that end</dt>
          <dd>
            <Go to="/fleet?health=Expiring">{counted(totals.expiring, 'environment')}</Go>
          </dd>
        </div>
        <div>
          <dt>Open exemptions</dt>
          <dd>
            <Go to="/exemptions">{totals.exemptions}</Go>
          </dd>
        </div>
      </dl>
    </section>
  )
}
