/** The test peer of our SPDY codec has no types of its own. */
declare module 'spdy-transport';
