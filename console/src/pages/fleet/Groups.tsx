/** A tile for each environment, by group: both axes, what runs there by verdict, and what ends. */
import { Button, Card, CardBody, CardTitle } from '@patternfly/react-core'

import { Fresh, When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { StageLabel, StatePair, Verdict } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { counted, imagesOf, percent, WORDS, type Fleet, type Group, type Member } from './model'

export function Groups({ fleet, narrowed, clear }: { fleet: Fleet; narrowed: boolean; clear: () => void }) {
  const shown = fleet.groups.filter((one) => !narrowed || one.members.length || one.left)
  if (!shown.length) {
    return (
      <Teach
        title="Nothing matches"
        action={
          <Button variant="secondary" onClick={clear}>
            Clear filters
          </Button>
        }
      >
        No environment has what the filters ask for.
      </Teach>
    )
  }
  return shown.map((group) => <GroupShown key={group.name} group={group} />)
}

function GroupShown({ group }: { group: Group }) {
  const id = `group-${group.name || 'unseen'}`
  return (
    <section aria-labelledby={id} className="fleet-group">
      <div className="fleet-head">
        <h2 id={id}>{group.name ? <Go to={`${here('groups', group.name)}`}>{group.title || group.name}</Go> : 'Groups that you may not see'}</h2>
        <span className="fresh">
          {counted(group.environments, 'environment')}
          {group.policies.length ? (
            <>
              , policy{' '}
              {group.policies.map((name, index) => (
                <span key={name}>
                  {index ? ', ' : ''}
                  <Go to={here('policies', name)}>{name}</Go>
                </span>
              ))}
            </>
          ) : group.name ? (
            ', no policy'
          ) : (
            ''
          )}
          {group.images === null ? '' : `, ${counted(group.images, 'running image')}, ${percent(group.coverage)} judged`}
        </span>
      </div>
      {group.members.length ? (
        <ul className="fleet-tiles">
          {group.members.map((one) => (
            <li key={one.name}>
              <Tile one={one} />
            </li>
          ))}
        </ul>
      ) : (
        <p className="fresh">No environment is in it yet. `portreeve add environment NAME --group {group.name}` makes one.</p>
      )}
      {group.left ? (
        <p className="fresh">
          and {group.left} more. <Go to={`/fleet?group=${encodeURIComponent(group.name)}`}>Only this group</Go>
        </p>
      ) : null}
    </section>
  )
}

function Tile({ one }: { one: Member }) {
  return (
    <Card isCompact isFullHeight component="section">
      <CardTitle component="h3">
        {one.whole ? <Go to={here('environments', one.name)}>{one.title || one.name}</Go> : one.name}
        <span className="fresh">
          {' '}
          {one.title ? `${one.name}, ` : ''}
          {one.tier ?? ''} {one.phase === 'Leaving' ? ', leaving' : ''}
        </span>
      </CardTitle>
      <CardBody>
        {one.whole ? <StatePair enforcement={one.enforcement} health={one.health} /> : <span className="fresh">You see a part of what runs there.</span>}
        {one.verdicts && one.images ? <VerdictCounts one={one} verdicts={one.verdicts} /> : null}
        {one.images === 0 ? <p>Nothing runs there.</p> : null}
        {one.images === null ? (
          <p>
            Nobody has told what runs there. <code>portreeve add environment {one.name}</code> connects an agent.
          </p>
        ) : null}
        <ul className="fleet-facts">
          {one.images ? <li>{percent(one.coverage)} judged</li> : null}
          {one.violations ? <li>{counted(one.violations, 'violation')}{one.refused ? `, ${one.refused} refused when started again` : ''}</li> : null}
          {one.stage ? (
            <li>
              <StageLabel stage={one.stage} /> {one.policy ? <Go to={here('policies', one.policy)}>{one.policy}</Go> : null}
            </li>
          ) : null}
          {one.expiring ? (
            <li>
              {counted(one.expiring, 'credential')} to rotate, first <When at={one.ends} />
            </li>
          ) : null}
          {one.exemptions ? (
            <li>
              <Go to="/exemptions">{counted(one.exemptions, 'open exemption')}</Go>
            </li>
          ) : null}
        </ul>
        {one.whole && one.knownAt ? <Fresh at={one.knownAt} what="told" /> : null}
      </CardBody>
    </Card>
  )
}

function VerdictCounts({ one, verdicts }: { one: Member; verdicts: NonNullable<Member['verdicts']> }) {
  return (
    <ul className="fleet-verdicts" aria-label={`Running images of ${one.name} by verdict`}>
      {WORDS.filter((word) => verdicts[word]).map((word) => (
        <li key={word}>
          <Go to={imagesOf(word, one.name)}>
            {verdicts[word].toLocaleString('en')} <Verdict verdict={word === 'NOT_JUDGED' ? null : word} />
          </Go>
        </li>
      ))}
    </ul>
  )
}
