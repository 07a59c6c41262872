/** How far a policy is enforced, as tiles: one of four, each with what it means for a pod. */
import type { Stage } from '../../api/documents'
import type { PolicyType } from './draft'

const STAGES: [Stage, string, string][] = [
  ['off', 'Off', 'Nothing is judged in the clusters.'],
  ['audit', 'Audit', 'Pods start. What would be refused is counted and told here.'],
  ['warn', 'Warn', 'Pods start. Whoever creates one is warned.'],
  ['deny', 'Deny', 'A pod with an image from any other source is refused at admission.'],
]

export function StageTiles({ stage, set, type, without = [] }: { stage: Stage; set: (stage: Stage) => void; type: PolicyType; without?: Stage[] }) {
  const shown = STAGES.filter(([value]) => !without.includes(value))
  return (
    <fieldset className="tiles">
      <legend>Stage</legend>
      {shown.map(([value, title, about]) => (
        <label key={value} className={value === stage ? 'tile chosen' : 'tile'}>
          <input type="radio" name="stage" value={value} checked={value === stage} onChange={() => set(value)} />
          <span>
            <strong>{title}</strong>
            <span className="fresh">{type === 'docker' && value === 'deny' ? 'Refused where somebody deploys through Portreeve; the host itself refuses nothing.' : about}</span>
          </span>
        </label>
      ))}
    </fieldset>
  )
}
