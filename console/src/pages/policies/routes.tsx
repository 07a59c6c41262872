import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

const getParentRoute = () => root

export const policyRoutes = [
  createRoute({ getParentRoute, path: '/policies', component: lazyRouteComponent(() => import('./Policies'), 'Policies') }),
  createRoute({ getParentRoute, path: '/policies/new', component: lazyRouteComponent(() => import('./NewPolicy'), 'NewPolicy') }),
  createRoute({ getParentRoute, path: '/policies/$name', component: lazyRouteComponent(() => import('./Policy'), 'Policy') }),
  createRoute({ getParentRoute, path: '/policies/$name/edit', component: lazyRouteComponent(() => import('./EditPolicy'), 'EditPolicy') }),
]
