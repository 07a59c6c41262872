import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const registryRoutes = [
  createRoute({ getParentRoute: () => root, path: '/registries', component: lazyRouteComponent(() => import('./Registries'), 'Registries') }),
]
