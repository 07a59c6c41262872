/** One registry in one place: how it stands, why, what grants it, and what can be done about it. */
import {
  Button,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
} from '@patternfly/react-core'
import type { ReactNode } from 'react'

import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { nameOf, type Cell, type Row } from './matrix'
import { modeLife, modeTitle, STATE_WORDS, WHY_WORDS } from './words'

const USE_WORDS = {
  used: 'something here pulls from it',
  unused: 'nothing here uses it',
  unknown: 'not known: the environment has not told all that could run there',
}

export function CellState({ cell }: { cell: Cell }) {
  const { word, look, about } = STATE_WORDS[cell.state]
  return (
    <StateLabel look={look} title={about}>
      {word}
    </StateLabel>
  )
}

export function CellFacts(props: { row: Row; cell: Cell; actions: ReactNode; onClose: () => void }) {
  const { row, cell } = props
  const title = `${cell.registry} in ${row.environment} for ${nameOf(row)}`
  return (
    <Modal isOpen onClose={props.onClose} variant="medium" aria-label={title}>
      <ModalHeader title={title} />
      <ModalBody>
        <DescriptionList isHorizontal>
          <Fact term="State">
            <CellState cell={cell} /> {WHY_WORDS[cell.why] ?? cell.why}
          </Fact>
          {cell.conflict ? <Fact term="The agent says">{cell.conflict}</Fact> : null}
          <Fact term="Use">
            {USE_WORDS[cell.use]}
            {cell.uses ? ` (${cell.uses} ${cell.uses === 1 ? 'image' : 'images'} without a grant)` : ''}
          </Fact>
          {cell.version !== null || cell.wanted !== null ? (
            <Fact term="Version">
              {cell.version ?? 'none'} is there{cell.wanted === null ? '' : `, ${cell.wanted} should be`}
            </Fact>
          ) : null}
          {cell.expiresAt ? (
            <Fact term="Ends">
              <When at={cell.expiresAt} />
            </Fact>
          ) : null}
          <Fact term="Granted by">
            {cell.grants.length ? (
              <ul className="plan">
                {cell.grants.map((one) => (
                  <li key={`${one.kind}/${one.name}`}>
                    {one.kind === 'RegistryPolicy' ? (
                      <Go to={here('policies', one.name)}>policy {one.name}</Go>
                    ) : (
                      <Go to={`/access?view=grants&q=${encodeURIComponent(one.name)}`}>access {one.name}</Go>
                    )}
                    {one.bySelector ? ', by labels' : ''}
                    {one.inForce ? '' : ', masked: it does not count now'}
                    <div className="fresh">
                      {modeTitle(one.mode)}: {modeLife(one.mode)}
                    </div>
                  </li>
                ))}
              </ul>
            ) : (
              'nothing'
            )}
          </Fact>
          <Fact term="Told">
            {row.reportedAt ? <When at={row.reportedAt} /> : 'never'}
            {row.connected ? '' : ', the agent is not there now'}
          </Fact>
        </DescriptionList>
      </ModalBody>
      <ModalFooter>
        {props.actions}
        <Button variant="link" onClick={props.onClose}>
          Close
        </Button>
      </ModalFooter>
    </Modal>
  )
}

function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{term}</DescriptionListTerm>
      <DescriptionListDescription>{children}</DescriptionListDescription>
    </DescriptionListGroup>
  )
}
