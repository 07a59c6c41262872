/**
 * Granting and taking back, by places that were chosen: first how it is delivered, then the plan, then it is done.
 * Everything ends in one plan, whatever number of registries and environments it is about.
 */
import { Alert, Button, Form, List, ListItem, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useEffect, useState } from 'react'

import { ConfirmChange } from '../../parts/ConfirmChange'
import type { Change } from '../../parts/InCode'
import { Wrong } from '../../parts/Wrong'
import { DeliveryFields } from './Delivery'
import { granting, revoking, USUAL, type Held, type Kept, type Place } from './grants'
import { lookingUp } from './look-up'

const SHOWN = 20

export interface OfPlaces<P extends Place> {
  places: P[]
  onDone: () => void
  onClose: () => void
}

export function wherePlace(one: Place): string {
  const who = one.namespace ?? (one.team ? `the team ${one.team}` : `the user ${one.user ?? ''}`)
  return `${one.registry} in ${one.environment} for ${who}`
}

export function Places({ places }: { places: Place[] }) {
  return (
    <List aria-label="Chosen places">
      {places.slice(0, SHOWN).map((one, index) => (
        <ListItem key={index}>{wherePlace(one)}</ListItem>
      ))}
      {places.length > SHOWN ? <ListItem>and {places.length - SHOWN} more</ListItem> : null}
    </List>
  )
}

function counted(places: Place[]): string {
  return places.length === 1 && places[0] ? wherePlace(places[0]) : `${places.length} places`
}

/** Grants places: delivery, plan, done. */
export function Grant({ places, onDone, onClose }: OfPlaces<Place>) {
  const [delivery, set] = useState(USUAL)
  const [change, make] = useState<Change | null>(null)
  const [wrong, fail] = useState<unknown>(null)
  const people = places.some((one) => one.namespace === undefined)
  const goOn = async () => {
    fail(null)
    try {
      make(await granting(places, delivery, lookingUp()))
    } catch (error) {
      fail(error)
    }
  }
  if (change) {
    const title = `Grant ${counted(places)}`
    return <ConfirmChange title={title} change={change} verb="Grant" done={`Granted ${counted(places)}`} onDone={onDone} onClose={onClose} />
  }
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label="Grant registries">
      <ModalHeader
        title={places.length === 1 ? 'Grant a registry' : 'Grant registries'}
        description={people ? 'Checked where people deploy through Portreeve: a Docker host enforces nothing itself.' : 'Which credential reaches a pull, and how long it is there.'}
      />
      <ModalBody>
        {wrong ? <Wrong error={wrong} /> : null}
        <Places places={places} />
        {people ? null : (
          <Form>
            <DeliveryFields value={delivery} set={set} />
          </Form>
        )}
      </ModalBody>
      <ModalFooter>
        <Button variant="primary" onClick={() => void goOn()}>
          Look at the plan
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}

/** Takes grants back: what cannot be taken back place by place is said, with who can change it. */
export function Revoke({ places, onDone, onClose }: OfPlaces<Held>) {
  const [found, set] = useState<{ change: Change; kept: Kept[] } | null>(null)
  const [wrong, fail] = useState<unknown>(null)
  useEffect(() => {
    let current = true
    revoking(places, lookingUp()).then(
      (made) => current && set(made),
      (error: unknown) => current && fail(error),
    )
    return () => {
      current = false
    }
  }, [places])
  const changes = found ? (found.change.documents?.length ?? 0) + (found.change.delete?.length ?? 0) : 0
  if (found && changes) {
    return (
      <ConfirmChange
        title={`Take back ${counted(places)}`}
        change={found.change}
        verb="Take back"
        danger
        done={`Took back ${counted(places)}`}
        onDone={onDone}
        onClose={onClose}
        more={() => <StaysGranted kept={found.kept} />}
      />
    )
  }
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label="Take grants back">
      <ModalHeader title="Take grants back" />
      <ModalBody>
        {wrong ? <Wrong error={wrong} /> : null}
        {found ? <StaysGranted kept={found.kept} /> : null}
        {!found && !wrong ? <p role="status">Looking for what grants it…</p> : null}
      </ModalBody>
      <ModalFooter>
        <Button variant="link" onClick={onClose}>
          Close
        </Button>
      </ModalFooter>
    </Modal>
  )
}

function StaysGranted({ kept }: { kept: Kept[] }) {
  if (!kept.length) return null
  return (
    <Alert variant="warning" isInline title={`${kept.length} of these stay granted`}>
      <List>
        {kept.slice(0, SHOWN).map((one, index) => (
          <ListItem key={index}>
            {wherePlace(one.place)}: {one.why}
          </ListItem>
        ))}
        {kept.length > SHOWN ? <ListItem>and {kept.length - SHOWN} more</ListItem> : null}
      </List>
    </Alert>
  )
}
