from cgnlib.toyworld.parts import main

main()
